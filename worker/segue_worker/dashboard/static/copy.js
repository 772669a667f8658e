// Lets the buttons that stand beside a code copy it, where the browser lets pages do that: over HTTPS, or on this machine.
"use strict";

(() => {
  if (navigator.clipboard === undefined) {
    return;
  }
  const SAID_MS = 2000;
  document.documentElement.classList.add("can-copy");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (button === null) {
      return;
    }
    // What is copied stands behind it for whoever cannot see where the button is.
    const said = button.firstChild;
    try {
      await navigator.clipboard.writeText(button.closest(".copyable").querySelector("code").textContent);
      said.nodeValue = "Copied";
    } catch {
      said.nodeValue = "Not allowed";
    }
    setTimeout(() => {
      said.nodeValue = "Copy";
    }, SAID_MS);
  });
})();

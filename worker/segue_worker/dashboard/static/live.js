// Keeps the parts of a page that carry data-live="MS" fresh, without moving focus, scroll or what is being typed.
"use strict";

(() => {
  const parts = () => document.querySelectorAll("[data-live]");
  const button = document.getElementById("refreshing");
  const connection = document.getElementById("connection");
  const held = () => button !== null && button.getAttribute("aria-pressed") === "true";

  const keep = {
    ignoreActiveValue: true,
    callbacks: {
      // Keep what a person has ticked or opened.
      beforeAttributeUpdated: (name, node) =>
        !(node.matches("input.choose") && name === "checked") && !(node.matches("details") && name === "open"),
    },
  };

  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next !== null) {
        const ticked = new Set([...part.querySelectorAll("input.choose:checked")].map((each) => each.value));
        Idiomorph.morph(part, next, keep);
        for (const each of part.querySelectorAll("input.choose")) {
          each.checked = ticked.has(each.value);
        }
      }
    }
  };

  document.addEventListener("change", ({ target }) => {
    if (target.matches("input.choose.all")) {
      for (const each of target.closest("table").querySelectorAll("input.choose")) {
        each.checked = target.checked;
      }
    }
  });

  const every = () => Math.min(...[...parts()].map((part) => Number(part.dataset.live)));

  const loop = async () => {
    if (parts().length === 0) {
      return;
    }
    if (!document.hidden && !held()) {
      try {
        await refresh();
        connection.textContent = "";
      } catch {
        connection.textContent = "The dashboard does not answer, so what you see may be out of date.";
      }
    }
    if (parts().length > 0) {
      setTimeout(loop, every());
    }
  };

  // A page that answers a form has no address of its own to fetch again.
  if (parts().length > 0) {
    if (button !== null) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const hold = !held();
        button.setAttribute("aria-pressed", String(hold));
      });
    }
    setTimeout(loop, every());
  }
})();

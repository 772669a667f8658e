// A page with the Segment SDK for browsers, in headless Chromium. Prints what happened on the wire as JSON.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const [executablePath, port, apiUrl, writeKey, userId] = process.argv.slice(2);
const scripts = path.join(path.dirname(createRequire(import.meta.url).resolve("@segment/analytics-next/package.json")), "dist/umd");
const api = new URL(apiUrl);
const settings = {
  writeKey,
  cdnSettings: { integrations: { "Segment.io": { apiKey: writeKey, apiHost: `${api.host}/v1`, protocol: "http" } } },
};

const page = `<!doctype html><title>A shop</title><script src="/index.js"></script><script>
  const analytics = AnalyticsNext.AnalyticsBrowser.load(${JSON.stringify(settings)});
  window.done = (async () => {
    await analytics.identify(${JSON.stringify(userId)}, { email: "${userId}@example.com", firstName: "Ada", plan: "Pro" });
    await analytics.track("Order Completed", { number: 0, price: 12.5 });
    await analytics.page("Home");
  })();
</script>`;

const server = createServer(async (request, response) => {
  const name = path.basename(new URL(request.url, "http://localhost").pathname);
  try {
    const isScript = name.endsWith(".js");
    const content = isScript ? await readFile(path.join(scripts, name)) : page;
    response.writeHead(200, { "Content-Type": isScript ? "text/javascript" : "text/html" }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(Number(port), "127.0.0.1", resolve));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const seen = { preflights: [], answers: [], problems: [] };
try {
  const tab = await browser.newPage();
  tab.on("console", (message) => message.type() === "error" && seen.problems.push(message.text()));
  tab.on("pageerror", (error) => seen.problems.push(String(error)));
  const wire = await tab.context().newCDPSession(tab);
  await wire.send("Network.enable");
  wire.on("Network.requestWillBeSent", ({ request }) => {
    if (request.method === "OPTIONS") seen.preflights.push(new URL(request.url).pathname);
  });
  const answered = new Promise((resolve) => {
    tab.on("response", (response) => {
      const { origin, pathname } = new URL(response.url());
      if (origin === api.origin && response.request().method() === "POST") {
        seen.answers.push([pathname, response.status()]);
        if (seen.answers.length === 3) resolve();
      }
    });
  });
  const late = new Promise((resolve) => setTimeout(resolve, 15_000).unref());
  await tab.goto(`http://127.0.0.1:${port}/`);
  await tab.evaluate(() => window.done);
  await Promise.race([answered, late]);
} finally {
  await browser.close();
  server.close();
}
console.log(JSON.stringify(seen));

// The Segment SDK for Node: identify one user, track some events, and end with 0 if it believes all were taken.
import { Analytics } from "@segment/analytics-node";

const [url, writeKey, userId, count] = process.argv.slice(2);
const errors = [];
const analytics = new Analytics({ writeKey, host: url, flushInterval: 200 });
analytics.on("error", (error) => errors.push(error));
analytics.identify({ userId, traits: { email: `${userId}@example.com`, firstName: "Ada", plan: "Pro" } });
for (let number = 0; number < Number(count); number += 1) {
  analytics.track({ userId, event: "Order Completed", properties: { number, price: 12.5 } });
}
const odd = userId.startsWith("odd") ? ["9007199254740992", "777", "777", "777"] : []; // it takes text alone
odd.forEach((who, number) => {
  const properties = { number, email: `${who}@example.com`, text: "a\ud800b" };
  const timestamp = "2023-01-02 03:04:05 UTC";
  analytics.track({ userId: who, event: userId, properties, timestamp, integrations: { Facebook: "yes" } });
});
analytics.page({ userId, name: "Home" });
await analytics.closeAndFlush({ timeout: 60_000 });
if (errors.length > 0) {
  console.error(errors);
  process.exit(1);
}

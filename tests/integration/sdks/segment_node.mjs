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
analytics.page({ userId, name: "Home" });
await analytics.closeAndFlush({ timeout: 60_000 });
if (errors.length > 0) {
  console.error(errors);
  process.exit(1);
}

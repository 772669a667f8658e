// The RudderStack SDK for Node: identify one user, track some events, and end with 0 if it believes all were taken.
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const [url, writeKey, userId, count] = process.argv.slice(2);
const errors = [];
const errorHandler = (error) => errors.push(error);
// Everything in one batch: its flush does not wait for batches that are under way.
const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: Number(count) + 10, errorHandler });
client.identify({ userId, traits: { email: `${userId}@example.com`, firstName: "Ada", plan: "Pro" } });
for (let number = 0; number < Number(count); number += 1) {
  client.track({ userId, event: "Order Completed", properties: { number, price: 12.5 } });
}
const odd = userId.startsWith("odd") ? ["9007199254740992", "777", "777", "777"] : []; // it takes text alone
odd.forEach((who, number) => {
  const properties = { number, email: `${who}@example.com`, text: "a\ud800b" };
  const timestamp = new Date("2023-01-02T03:04:05Z"); // it takes nothing else
  client.track({ userId: who, event: userId, properties, timestamp, integrations: { Facebook: "yes" } });
});
client.page({ userId, name: "Home" });
await client.flush();
if (errors.length > 0) {
  console.error(errors.map(String));
  process.exit(1);
}
process.exit(0);

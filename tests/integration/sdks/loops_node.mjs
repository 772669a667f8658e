// Loops' own client for Node: every documented call of contacts, properties, lists, events, patterns and suppression.
import assert from "node:assert/strict";
import { APIError, LoopsClient } from "loops";

const [url, key, user] = process.argv.slice(2);
const email = `${user}@example.com`;
const list = "clxf1nxlb000t0ml79ajwcsj0";

function client(apiKey) {
  const made = new LoopsClient(apiKey);
  made.apiRoot = url;
  return made;
}

async function refused(status, message, call) {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof APIError, String(error));
    assert.deepEqual([error.statusCode, error.json.success], [status, false]);
    assert.match(error.json.message, message);
    return true;
  });
}

const loops = client(key);
assert.equal((await loops.testApiKey()).success, true);
await refused(401, /Invalid API key/, () => client("unknown").testApiKey());

const { id } = await loops.createContact({ email, properties: { userId: user, firstName: "Ada", plan: null } });
await refused(409, /already/, () => loops.createContact({ email }));
await refused(400, /Invalid email address/, () => loops.createContact({ email: "no address" }));
const updated = await loops.updateContact({ userId: user, properties: { seats: 3 }, mailingLists: { [list]: true } });
assert.deepEqual(updated, { success: true, id });
assert.equal((await loops.updateContact({ email, properties: { lastName: "Lovelace" } })).id, id);
await refused(400, /userId not found/, () => loops.updateContact({ userId: "nobody", properties: {} }));
const [contact] = await loops.findContact({ email });
assert.deepEqual([contact.id, contact.userId, contact.seats, contact.mailingLists], [id, user, 3, { [list]: true }]);
assert.deepEqual(await loops.findContact({ userId: "nobody" }), []);

const status = await loops.checkContactSuppression({ userId: user });
assert.deepEqual([status.contact, status.isSuppressed], [{ id, email, userId: user }, false]);
assert.equal(status.removalQuota.limit, status.removalQuota.remaining);
await refused(400, /not suppressed/, () => loops.removeContactSuppression({ email }));
await refused(404, /not found/, () => loops.checkContactSuppression({ userId: "nobody" }));

assert.deepEqual(await loops.createContactProperty(`plan${user}`, "string"), { success: true });
await refused(400, /already exists/, () => loops.createContactProperty(`plan${user}`, "string"));
const custom = await loops.listContactProperties("custom");
assert.ok(custom.some((each) => each.key === `plan${user}` && each.type === "string"));
assert.ok((await loops.listContactProperties()).some((each) => each.key === "email"));
assert.ok((await loops.listMailingLists()).some((each) => each.id === list && each.isPublic));
assert.ok((await loops.listDedicatedSendingIps()).every((each) => typeof each === "string"));

const event = { email, eventName: `Signed Up ${user}`, eventProperties: { amount: 5 }, mailingLists: { [list]: false } };
const headers = { "Idempotency-Key": `key ${user}` };
assert.deepEqual(await loops.sendEvent({ ...event, contactProperties: { seats: 4 }, headers }), { success: true });
await refused(409, /already been processed/, () => loops.sendEvent({ ...event, headers }));
await refused(400, /Contact not found/, () => loops.sendEvent({ userId: "nobody", eventName: "E" }));
await refused(400, /eventName/, () => loops.sendEvent({ email, eventName: "" }));
const pattern = await loops.getEventPatternByName(event.eventName);
assert.deepEqual(pattern.eventProperties, [{ name: "amount", type: "number" }]);
assert.equal(pattern.eventName, event.eventName);
assert.ok([null, "null"].includes(pattern.incomingWebhookPlatform));
assert.deepEqual(await loops.getEventPattern(pattern.id), pattern);
await refused(404, /./, () => loops.getEventPatternByName("Nothing"));
const page = await loops.listEventPatterns({ perPage: 10 });
assert.ok(page.data.some((each) => each.eventName === event.eventName));
assert.equal(page.pagination.perPage, 10);
await refused(400, /perPage/, () => loops.listEventPatterns({ perPage: 5 }));

assert.equal((await loops.deleteContact({ userId: user })).success, true);
await refused(404, /not found/, () => loops.deleteContact({ email }));

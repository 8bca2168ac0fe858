// Calls every realtime method of the official Node SDK, and mints with TanStack AI.
import { openaiRealtimeToken } from "@tanstack/ai-openai";
import { OpenAI } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const realtime = (key) => new OpenAI({ baseURL, apiKey: key, maxRetries: 0 }).realtime;
const { calls, clientSecrets, translations } = realtime(apiKey);
const model = "gpt-realtime-2.1";
const pcm = { type: "audio/pcm", rate: 24000 };
const audio = { input: { format: pcm }, output: { format: pcm, voice: "verse" } };
const session = { type: "realtime", model, audio };
const offer = "v=0\r\n";

// Each resource with its methods, and what one call of each returns.
const table = [
  ["clientSecrets", clientSecrets, {
    create: () => clientSecrets.create({ session, expires_after: { anchor: "created_at", seconds: 60 } }),
  }],
  ["translations.clientSecrets", translations.clientSecrets, {
    create: () => translations.clientSecrets.create({ session: { model: "gpt-realtime-translate", audio: { output: { language: "de" } } } }),
  }],
  ["calls", calls, {
    create: async () => {
      const responses = [await calls.create({ sdp: offer }), await calls.create({ sdp: offer, session })];
      return Promise.all(responses.map(async (response) => [response.headers.get("location"), await response.text()]));
    },
    accept: () => calls.accept("rtc_1", session),
    reject: () => calls.reject("rtc_1", { status_code: 486 }),
    refer: () => calls.refer("rtc_1", { target_uri: "tel:+14155550123" }),
    hangup: () => calls.hangup("rtc_1"),
  }],
];
const results = {};
for (const [path, resource, methods] of table) {
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    if (name !== "constructor") results[`${path}.${name}`] = (await methods[name]()) ?? null;
  }
}
const secret = realtime(results["clientSecrets.create"].value);
const refused = await secret.clientSecrets.create({ session }).catch((error) => [error.constructor.name, error.status]);

// TanStack AI knows no other address than OpenAI's.
const { fetch } = globalThis;
globalThis.fetch = (url, options) => fetch(String(url).replace("https://api.openai.com/v1", baseURL), options);
process.env.OPENAI_API_KEY = apiKey;
const token = await openaiRealtimeToken({ model }).generateToken();
console.log(JSON.stringify({ results, refused, token }));

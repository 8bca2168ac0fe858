// Mints with the official JavaScript SDK: its folder, the base URL and the key are the arguments.
import { createRequire } from "node:module";

const [folder, baseURL, apiKey] = process.argv.slice(2);
const { OpenAI } = createRequire(`${folder}/`)("openai");
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const session = { type: "realtime", model: "gpt-realtime-2.1", audio: { output: { voice: "verse" } } };
const minted = await client.realtime.clientSecrets.create({ session });
let refused = null;
try {
  await new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).realtime.clientSecrets.create({ session });
} catch (error) {
  refused = { name: error.constructor.name, status: error.status };
}
console.log(JSON.stringify({ minted, refused }));

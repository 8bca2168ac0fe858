// The Agents SDK and TanStack AI in a page: each connects, says a sentence, and returns what it heard.
import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";
import { openaiRealtime } from "@tanstack/ai-openai";

const sentence = "How are you?";

globalThis.withAgents = async (baseURL, apiKey) => {
  const agent = new RealtimeAgent({ name: "Mock", instructions: "Be brief." });
  const session = new RealtimeSession(agent, { transport: "webrtc" });
  const errors = [];
  session.on("error", ({ error }) => errors.push(JSON.stringify(error)));
  const ended = new Promise((resolve) => session.on("agent_end", (_context, _agent, output) => resolve(output)));
  await session.connect({ apiKey, url: `${baseURL}/realtime/calls` });
  session.sendMessage(sentence);
  const heard = await ended;
  const { callId } = session.transport;
  session.close();
  return { heard, callId, errors };
};

globalThis.withTanStack = async (baseURL, token) => {
  // It knows no other address than OpenAI's.
  const { fetch } = globalThis;
  globalThis.fetch = (url, options) => fetch(String(url).replace("https://api.openai.com/v1", baseURL), options);
  const connection = await openaiRealtime().connect(token, []);
  const errors = [];
  connection.on("error", ({ error }) => errors.push(String(error)));
  const completed = new Promise((resolve) =>
    connection.on("message_complete", ({ message }) => {
      if (message.role === "assistant") resolve(message);
    }));
  await connection.updateSession({ instructions: "Be brief." });
  connection.sendText(sentence);
  const message = await completed;
  await connection.disconnect();
  return { heard: message.parts.map((part) => part.content ?? part.transcript).join(""), errors };
};

// The official Node SDK begins a call of each API, joins it, lets the model speak, and hangs up.
import net from "node:net";

import { OpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { SidebandWS } from "openai/resources/live/sideband/ws";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const offer = "v=0\r\n";
const greeting = "Greet the caller";

const closing = (socket) => new Promise((resolve) => socket.on("close", (code) => resolve(code)));
const first = (emitter, type) => new Promise((resolve) => emitter.once(type, resolve));

const call = await client.realtime.calls.create({ sdp: offer, session: { type: "realtime", model: "gpt-realtime-2.1" } });
const callID = call.headers.get("location").split("/").pop();
// It knows no other scheme than wss.
const createConnection = ({ host, port }) => net.connect({ host, port });
const realtime = new OpenAIRealtimeWS({ callID, options: { createConnection } }, client);
realtime.on("error", (error) => console.error(error));
await first(realtime.socket, "open");
realtime.send({ type: "session.update", session: { type: "realtime", instructions: "Be brief." } });
await first(realtime, "session.updated");
realtime.send({ type: "response.create", response: { instructions: greeting } });
const { transcript } = await first(realtime, "response.output_audio_transcript.done");
const realtimeClosed = closing(realtime.socket);
await client.realtime.calls.hangup(callID);

const created = await client.live.create({ session: { model: "gpt-live-1" }, transport: { type: "webrtc", sdp: offer } });
const live = new SidebandWS(client, { session_id: created.session.id, graceful_close: true });
live.on("error", (error) => console.error(error));
await first(live, "session.started");
let deltas = "";
const heard = new Promise((resolve) => {
  live.on("session.output_transcript.delta", ({ delta }) => {
    deltas += delta;
    if (deltas.endsWith(greeting)) resolve();
  });
});
live.send({ type: "session.instructions.append", content: greeting, delegation_id: null });
await heard;
const ended = first(live, "session.closed");
const liveClosed = closing(live);
await client.live.sessions.hangup(created.session.id);
const { reason } = await ended;

console.log(JSON.stringify({
  realtime: { transcript, close: await realtimeClosed },
  live: { deltas, reason, close: await liveClosed },
}));

// From events to what was said, a line an item.
// Owns: which events carry words. Must not know: the page.

const ADDED = new Set(["conversation.item.added", "conversation.item.created"]);
const DELTA = new Set([
  "response.output_audio_transcript.delta", "response.audio_transcript.delta",
  "response.output_text.delta", "response.text.delta",
  "conversation.item.input_audio_transcription.delta",
]);
const DONE = new Set([
  "response.output_audio_transcript.done", "response.audio_transcript.done",
  "response.output_text.done", "response.text.done",
  "conversation.item.input_audio_transcription.completed",
]);

/** Return what an event says: `{id, who, text}` or `{id, who, more}`; null: nothing. */
export function saidBy(event) {
  if (ADDED.has(event.type) && event.item?.type === "message") {
    const text = (event.item.content ?? []).map((part) => part.text ?? "").join("");
    return { id: event.item.id, who: event.item.role, text };
  }
  const who = event.type.startsWith("conversation.") ? "user" : "assistant";
  if (DELTA.has(event.type)) return { id: event.item_id, who, more: event.delta ?? "" };
  if (DONE.has(event.type)) return { id: event.item_id, who, text: event.transcript ?? event.text ?? "" };
  return null;
}

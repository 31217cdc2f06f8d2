/* Answers that are sent while the browser closes the stream of answers. Loaded before Gradio's own scripts.

   The server ends the stream as soon as no event is open. An event that it takes on before the browser has read that end
   gets no stream in Gradio's client (version 6.31): its answer waits until the next event. Here Gradio's client keeps one
   stream that does not end, and the connection behind it is opened whenever an event waits for its answer. */
"use strict";

(() => {
  const HEAD = /^data: \{"msg":"([a-z_]+)","event_id":"?([^",}]*)/;
  const send = window.fetch.bind(window);
  const waiting = new Set(); // events that the server has taken on and not completed
  const early = new Set(); // events whose end came before the word that they are taken on
  let stream = null; // what Gradio's client reads: { request, out, connected }

  function open(request) {
    const mine = { request, out: null, connected: false };
    const body = new ReadableStream({ start: (out) => { mine.out = out; } });
    request.signal.addEventListener("abort", () => { // the page is being left
      if (stream !== mine) return;
      stream = null;
      mine.out.close();
    });
    stream = mine;
    return body;
  }

  async function connect(mine, reply = null) {
    mine.connected = true;
    try {
      const got = reply || await send(mine.request.clone());
      if (!got.ok) throw new TypeError(`The stream of answers ended with status ${got.status}.`);
      await pass(got.body.pipeThrough(new TextDecoderStream()).getReader(), mine.out);
      mine.connected = false;
      if (waiting.size && stream === mine) connect(mine);
    } catch (error) {
      if (stream !== mine) return;
      stream = null;
      mine.out.error(error);
    }
  }

  /* Hands on what the server sends, but for the end of its stream. */
  async function pass(reader, out) {
    const bytes = new TextEncoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const messages = (rest + value).split("\n\n");
      rest = messages.pop();
      for (const message of messages) {
        const [, kind, event] = HEAD.exec(message) || [];
        if (kind === "process_completed" && !waiting.delete(event)) early.add(event);
        if (kind !== "close_stream") out.enqueue(bytes.encode(`${message}\n\n`));
      }
    }
  }

  window.fetch = async (what, how) => {
    const { pathname } = new URL(what instanceof Request ? what.url : what, location.href);
    if (pathname.endsWith("/queue/data")) {
      const request = new Request(what, how);
      const reply = await send(request.clone());
      if (!reply.ok) return reply;
      const body = open(request);
      connect(stream, reply);
      return new Response(body, { headers: reply.headers });
    }
    const reply = await send(what, how);
    if (pathname.endsWith("/queue/join") && reply.ok) {
      const { event_id: event } = await reply.clone().json();
      if (!early.delete(event)) waiting.add(event);
      if (waiting.size && stream && !stream.connected) connect(stream);
    }
    return reply;
  };
})();

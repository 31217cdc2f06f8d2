/* Saves answers: a draft half a second after the last edit. "Saved" is shown only after the server has answered. A save
   without an answer is repeated unchanged until one comes. The browser also keeps what is not saved yet. */
"use strict";

/* The browser's storage; without access to it, values are not kept. */
STAR.kept = {
  get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* full or private */ } },
  drop: (key) => { try { localStorage.removeItem(key); } catch { /* private */ } },
};

/* `record()`, `answer()`: what is open now. `overtaken`, `signedOut`, `refused`: called when a save is rejected. */
STAR.saver = ({ record, answer, say, overtaken, signedOut, refused }) => {
  const { call, patiently, time } = STAR.desk;
  const PAUSE = 500, LONGEST_TYPING = 3000;
  const mirror = (uuid) => `star-draft-${uuid}`;
  const same = (a, b) => Boolean(b) && ["ratings", "choice", "note", "reason", "seconds"].every((part) => JSON.stringify(a[part]) === JSON.stringify(b[part]));
  let sent = null; // the answer that was sent and not yet confirmed
  let dirty = false, want = null, running = null, timer = 0, firstEdit = 0;

  /* Called when a record opens. Returns this browser's draft if it continues the server's revision, else null. */
  function opened() {
    dirty = false;
    const { uuid, revision, editable } = record();
    const kept = JSON.parse(STAR.kept.get(mirror(uuid)) || "null");
    // It also continues if the server stored the sent answer and only its reply was lost.
    const arrived = kept && kept.sent && kept.revision + 1 === revision && same(kept.sent, record().answer);
    if (kept && editable && (kept.revision === revision || arrived)) return kept.answer;
    STAR.kept.drop(mirror(uuid));
    return null;
  }

  function edited() {
    dirty = true;
    STAR.kept.set(mirror(record().uuid), JSON.stringify({ revision: record().revision, answer: answer(), sent }));
    if (!running) say("Not saved yet…", "busy");
    clearTimeout(timer);
    const now = performance.now();
    firstEdit = firstEdit || now;
    timer = setTimeout(() => save("draft"), Math.min(PAUSE, Math.max(0, firstEdit + LONGEST_TYPING - now)));
  }

  /* to: draft, submitted or skipped. Resolves with the last receipt, or null if the save was rejected. */
  function save(to) {
    clearTimeout(timer);
    firstEdit = 0;
    want = to === "draft" && want ? want : to;
    running = running || pump().finally(() => { running = null; });
    return running;
  }

  async function settled() {
    if (dirty) await save("draft");
    else if (running) await running;
  }

  async function pump() {
    let receipt = null;
    while (want) {
      const to = want, open = record();
      want = null;
      dirty = false;
      sent = answer();
      const body = JSON.stringify({ uuid: open.uuid, revision: open.revision + 1, to, answer: sent });
      say(to === "draft" ? "Saving…" : "Handing in…", "busy");
      try {
        receipt = await untilAnswered(body);
      } catch (error) {
        want = null; // the visitor saw that nothing is saved, and asks anew
        await notTaken(error, to);
        return null;
      }
      sent = null;
      open.revision = receipt.revision;
      open.state = receipt.state;
      if (!dirty) STAR.kept.drop(mirror(open.uuid));
      say(dirty ? "Saving…" : `Saved ${time(receipt.at)}`, dirty ? "busy" : "done");
    }
    return receipt;
  }

  // The server gives up before this limit and says why.
  const untilAnswered = (body) => patiently(
    () => call("star-annotate/save", body, { signal: AbortSignal.timeout(25000) }),
    (error) => say(`Not saved: ${error.message} Trying again…`, "error"),
  );

  async function notTaken(error, to) {
    if (error.status === 409) {
      STAR.kept.drop(mirror(record().uuid));
      await overtaken();
      say("This record was changed in another window; what you see is what is saved. Repeat your last change here.", "error");
      return;
    }
    dirty = true;
    if (error.status === 401) {
      say("Not saved: you are no longer signed in. Sign in again; what you wrote is kept in this browser.", "error");
      signedOut();
    } else {
      say(`Not saved: ${error.message}`, "error");
      refused(to);
    }
  }

  addEventListener("pagehide", () => {
    if (!record() || !dirty) return;
    const { uuid, revision } = record();
    const body = JSON.stringify({ uuid, revision: revision + 1, to: "draft", answer: answer() });
    fetch("star-annotate/save", { method: "POST", body, keepalive: true, credentials: "same-origin",
      headers: { "X-Star": "1", "Content-Type": "application/json" } }).catch(() => {});
  });
  addEventListener("beforeunload", (event) => { if (dirty && running) event.preventDefault(); });

  return { opened, edited, save, settled };
};

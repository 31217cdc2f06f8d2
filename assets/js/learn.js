/* The tab Learn: which steps are done, kept in this browser; the hand-out; the zoom's choices. */
"use strict";

/* Says behind the last step what is left of the tour. `STAR.lesson` puts its own here. */
STAR.tour = () => {};

STAR.lesson = (element, server) => {
  const KEY = "star-learn-done";
  const find = (selector) => element.querySelector(selector);
  const marks = [...element.querySelectorAll("[data-step]")];
  let done = new Set();
  try { done = new Set(JSON.parse(localStorage.getItem(KEY) || "[]")); } catch { /* private window, or no list of ours */ }

  function draw() {
    const known = marks.filter((mark) => done.has(Number(mark.dataset.step)));
    for (const mark of marks) mark.classList.toggle("done", known.includes(mark));
    find("[data-count]").textContent = `${known.length} of ${marks.length} done`;
    find("[data-reset]").disabled = known.length === 0;
    STAR.tour();
  }
  STAR.tour = () => {
    const left = marks.map((mark) => Number(mark.dataset.step)).filter((step) => !done.has(step));
    const names = left.length > 1 ? `steps ${left.slice(0, -1).join(", ")} and ${left.at(-1)}` : `step ${left[0]}`;
    const text = left.length
      ? `Left of the tour: ${names}. A step is done once you open its answer.`
      : `The tour is finished: all ${marks.length} steps are done.`;
    for (const said of document.querySelectorAll("[data-tour]")) if (said.textContent !== text) said.textContent = text;
  };
  function keep() {
    try { localStorage.setItem(KEY, JSON.stringify([...done].sort())); } catch { /* counted until the page is closed */ }
    draw();
  }

  // A step is done once its answer is read. The event does not bubble.
  document.addEventListener("toggle", (event) => {
    const answer = event.target instanceof Element && event.target.closest("details[data-answer]");
    if (!answer || !answer.open) return;
    done.add(Number(answer.dataset.answer));
    keep();
  }, true);
  // Back and Next open another tab, and show it from its top.
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-go]");
    const tab = button && document.getElementById(`step-${button.dataset.go}-button`);
    if (!tab) return;
    tab.click();
    tab.focus();
    document.getElementById("lesson").scrollIntoView();
  });
  find("[data-reset]").addEventListener("click", () => {
    done.clear();
    for (const answer of document.querySelectorAll("details[data-answer]")) answer.open = false;
    keep();
  });

  const button = find("[data-handout]");
  button.addEventListener("click", async () => {
    const said = find("[data-handout-said]");
    button.disabled = true;
    said.textContent = "The hand-out is being made…";
    const made = await server.handout("").catch(() => ({ error: "The server does not answer; try again in a moment." }));
    button.disabled = false;
    said.textContent = made.error || "The hand-out is in your downloads.";
    if (made.error) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([made.page], { type: "text/html" }));
    link.download = "star-hand-out.html";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
  draw();
};

/* The zoom's blocks; a press on an item or on a sentence asks for its own. */
STAR.zoom = (element, props, trigger, watch) => {
  const draw = () => { if (props.value && props.value.blocks) STAR.live(element, props.value.blocks); };
  element.addEventListener("click", (event) => {
    const chosen = event.target instanceof Element && event.target.closest("[data-zoom]");
    if (!chosen) return;
    const { whose } = props.value;
    props.value = { whose, ...JSON.parse(chosen.dataset.zoom) };
    setTimeout(() => trigger("submit"), 0);
  });
  watch("value", draw);
  draw();
};

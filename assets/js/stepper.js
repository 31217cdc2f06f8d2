/* Plays a trace: the model's words one by one, a tool's answer at once. Words enter the page as text. */
"use strict";

STAR.stepper = (element, props, trigger, watch) => {
  const find = (selector) => element.querySelector(selector);
  const words = find("[data-words]"), slider = find("[data-place]"), play = find("[data-play]");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const group = `star-whose-${Math.random().toString(36).slice(2)}`;
  let units = []; // {element, step, own, first}: what one move shows
  let steps = []; // {element, name}
  let at = 0, timer = 0, said = -1;

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  function build(value) {
    units = [];
    steps = value.steps.map((step, number) => {
      const part = make("section", step.own ? "own" : "tool");
      const head = make("h4", "", `${number + 1}. ${step.name}`);
      if (step.about) head.append(make("span", "", step.about));
      const body = make(step.own ? "p" : "ul");
      part.append(head, body);
      const add = (unit) => units.push({ element: unit, step: number, own: step.own });
      if (step.own) {
        for (const word of step.words) {
          const unit = make("span", "", word);
          body.append(unit, " ");
          add(unit);
        }
        if (!step.words.length) add(head);
      } else {
        for (const line of step.words) body.append(make("li", "", line));
        add(body);
      }
      return { element: part, name: step.about ? `${step.name}: ${step.about}` : step.name };
    });
    words.replaceChildren(...steps.map((step) => step.element));
    slider.max = String(units.length);
    said = -1;
    show(0);
  }

  /* Show the first `place` units. */
  function show(place) {
    at = Math.min(Math.max(place, 0), units.length);
    units.forEach((unit, n) => {
      unit.element.classList.toggle("later", n >= at);
      unit.element.classList.toggle("now", n === at - 1);
    });
    const last = at ? units[at - 1].step : -1;
    steps.forEach((step, n) => { step.element.hidden = n > last; });
    slider.value = String(at);
    const where = at ? `Step ${last + 1} of ${steps.length}, ${steps[last].name}` : `${steps.length} steps`;
    slider.setAttribute("aria-valuetext", `${at} of ${units.length}; ${where}`);
    find("[data-where]").textContent = `${at} of ${units.length} · ${where}`;
    if (last !== said) find("[data-said]").textContent = at ? where : "";
    said = last;
    for (const button of element.querySelectorAll("[data-move]")) {
      button.disabled = button.dataset.move.endsWith("back") ? at === 0 : at === units.length;
    }
    if (at) follow(units[at - 1].element);
  }

  /* Scroll the words alone, never the page. */
  function follow(unit) {
    const box = unit.getBoundingClientRect(), frame = words.getBoundingClientRect();
    if (box.top < frame.top) words.scrollTop += box.top - frame.top - 40;
    else if (box.top > frame.bottom - 40) words.scrollTop += box.top - frame.bottom + Math.min(box.height + 40, frame.height - 40);
  }

  const stepOf = (place) => (place ? units[place - 1].step : -1);
  const moves = {
    back: () => at - 1,
    forward: () => at + 1,
    "step-forward": () => {
      let place = Math.min(at + 1, units.length);
      while (place < units.length && stepOf(place + 1) === stepOf(place)) place += 1;
      return place;
    },
    "step-back": () => {
      let place = at - 1;
      while (place > 0 && stepOf(place) === stepOf(at)) place -= 1;
      return place;
    },
  };

  function pause() {
    clearTimeout(timer);
    timer = 0;
    play.textContent = "Play";
  }
  function tick() {
    if (!element.isConnected || !element.offsetParent) return pause(); // another tab is open
    // Words that appear one by one are motion; a visitor who asked for none gets whole steps.
    show(calm.matches ? moves["step-forward"]() : at + 1);
    if (at >= units.length) return pause();
    const speed = Number(find("[data-speed]").value);
    timer = setTimeout(tick, calm.matches ? 12000 / speed : units[at - 1].own ? 1000 / speed : 4000 / speed);
  }
  play.addEventListener("click", () => {
    if (timer) return pause();
    if (!units.length) return;
    if (at >= units.length) show(0);
    play.textContent = "Pause";
    tick();
  });
  for (const button of element.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => { pause(); show(moves[button.dataset.move]()); });
  }
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  for (const radio of element.querySelectorAll("[data-whose]")) {
    radio.name = group;
    // The value reaches the server with the event, so the event waits until it is set.
    radio.addEventListener("change", () => { pause(); props.value = { whose: radio.value }; setTimeout(() => trigger("submit"), 0); });
  }

  const drawn = () => {
    const value = props.value || {};
    if (value.problem) {
      build({ steps: [] });
      words.replaceChildren(make("p", "", value.problem));
      find("[data-where]").textContent = "";
    } else if (value.steps) {
      build(value);
    }
  };
  watch("value", drawn);
  drawn();
};

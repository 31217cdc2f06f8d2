/* The form of the Question tab: one question at a time about one answer. No text enters the page as HTML. */
"use strict";

STAR.question = (element, props, server, trigger, watch) => {
  const find = (selector) => element.querySelector(selector);
  const all = (selector) => [...element.querySelectorAll(selector)];
  const words = find(".star-question").dataset; // what is said in the words of the data set
  const group = `star-kind-${Math.random().toString(36).slice(2)}`;
  const chosen = { one: null, other: null };
  let offer = null, edits = [], at = 0;
  let anew = true; // what comes next is begun, also where it is the answer at hand

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const button = (text, action, label) => {
    const made = make("button", "star-do", text);
    made.type = "button";
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  };
  const say = (text) => { find("[data-said]").textContent = text; };

  /* Send the question. The value reaches the server with the event, so the event waits until it is set. */
  function ask(what) {
    const item = Number(find('[data-choice="item"]').value);
    const one = what === "carried" ? item : chosen.one;
    const sent = edits.slice(0, at).map((edit) => ({ do: edit.do, at: edit.at }));
    const [first, second] = ["first", "second"].map((side) => find(`[data-choice="${side}"]`).value);
    const value = { run: offer.run, kind: what, one, other: chosen.other, edits: sent, first, second };
    waits();
    document.querySelector("#asked").classList.add("star-old");
    /* Gradio may still be setting the value that the form began with. */
    const send = (left) => {
      props.value = value;
      setTimeout(() => { if (props.value.kind === what || !left) trigger("submit"); else send(left - 1); }, left < 20 ? 50 : 0);
    };
    send(20);
  }
  const waits = () => STAR.explore.meanwhile("Waiting for the model…", "busy", "#question-status");

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest("#take-last, #take-own")) {
      anew = true;
      waits();
    }
    const attempt = event.target.closest("#asked [data-try]");
    if (attempt && offer) {
      show("what_if");
      for (const made of JSON.parse(attempt.dataset.try)) take(made);
      changed("tried");
    }
  });

  /* A combobox: `rows` are those of the answer while the input is empty, then those that the server finds. */
  function combo(name, rows, take, typed = null) {
    const root = find(`[data-combo="${name}"]`);
    const input = root.querySelector("input");
    const list = root.querySelector("ul");
    let shown = [], place = -1, asked = 0, timer = 0;
    list.id = `${group}-${name}`;
    input.setAttribute("aria-controls", list.id);
    const close = () => {
      list.hidden = true;
      place = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const pick = (row) => { close(); take(row, input); };
    const point = (to) => {
      place = (to + shown.length) % shown.length;
      [...list.children].forEach((item, n) => item.setAttribute("aria-selected", String(n === place)));
      list.children[place].scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", list.children[place].id);
    };
    async function open(text) {
      const mine = asked += 1;
      const failed = { error: "The server does not answer; try again in a moment." };
      const answer = text ? await server.books(text).catch(() => failed) : { rows: rows() };
      if (mine !== asked || document.activeElement !== input) return;
      shown = answer.rows || [];
      list.replaceChildren(...shown.map((row, n) => {
        const item = make("li");
        const box = make("span", "star-row");
        item.id = `${list.id}-${n}`;
        item.setAttribute("role", "option");
        box.append(make("b", "", row.label), make("small", "", row.note));
        item.append(box);
        item.addEventListener("mousedown", (event) => { event.preventDefault(); pick(row); });
        return item;
      }));
      if (!shown.length && !text) return close();
      if (!shown.length) list.append(make("li", "star-none", answer.error || "Nothing matches."));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      say(shown.length ? `${shown.length} found` : list.textContent);
    }
    input.addEventListener("focus", () => { input.select(); open(""); });
    input.addEventListener("input", () => {
      shown = []; // what was listed before is no answer to what is typed now
      asked += 1;
      if (typed) typed();
      close();
      clearTimeout(timer);
      timer = setTimeout(() => open(input.value), 90);
    });
    input.addEventListener("blur", () => { asked += 1; close(); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { close(); event.stopPropagation(); }
      else if (event.key === "ArrowDown" && list.hidden) open(input.value);
      else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && shown.length) {
        event.preventDefault();
        point(event.key === "ArrowDown" ? place + 1 : place < 0 ? -1 : place - 1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (!list.hidden && shown.length) pick(shown[Math.max(place, 0)]);
      }
    });
    return input;
  }

  const candidates = () => (offer ? offer.items : []);
  const inputs = {};
  for (const name of ["one", "other"]) {
    inputs[name] = combo(name, candidates, (row, input) => {
      chosen[name] = row.id;
      input.value = row.label;
    }, () => { chosen[name] = null; }); // none is chosen while one is typed, so that no question is about the one before
  }
  inputs.add = combo("add", () => [], (row, input) => {
    input.value = "";
    edit({ do: "add", at: row.id, text: `${row.label} ${words.added}` });
  });

  /* Edits: a new one drops those that were undone, and asks at once. */
  function edit(made) {
    if (take(made)) changed(made.text);
  }
  function take(made) {
    if (edits.slice(0, at).some((other) => other.do === made.do && other.at === made.at)) return false;
    edits = [...edits.slice(0, at), made];
    at = edits.length;
    return true;
  }
  function changed(text) {
    draw();
    say(text);
    ask("what_if");
  }
  const gone = (id) => edits.slice(0, at).some((made) => made.do === "take_off" && made.at === id);

  function draw() {
    find("[data-books]").replaceChildren(...offer.shelf.map((row) => {
      const item = make("li", gone(row.id) ? "gone" : "");
      const box = make("span", "star-row");
      box.append(make("b", "", row.label), make("small", "", row.note));
      const off = button(words.off, () => edit({ do: "take_off", at: row.id, text: `${row.label} ${words.gone}` }), `${words.off} ${row.label}`);
      off.disabled = gone(row.id);
      item.append(box, off);
      return item;
    }));
    find("[data-edits]").replaceChildren(...edits.map((made, n) => make("li", n < at ? "" : "undone", made.text)));
    find("[data-undo]").disabled = at === 0;
    find("[data-redo]").disabled = at === edits.length;
  }

  function choices(name, rows) {
    find(`[data-choice="${name}"]`).replaceChildren(...rows.map((row) => {
      const option = make("option", "", row.label);
      option.value = String(row.at ?? row.id);
      return option;
    }));
  }

  /* An answer to ask about. */
  function begin(next) {
    offer = next;
    anew = false;
    edits = [];
    at = 0;
    find("[data-nothing]").hidden = true;
    find("[data-form]").hidden = false;
    find("[data-about-whom]").textContent = `${offer.whom}: ${offer.items.slice(0, offer.ranked).map((row) => row.label).join(" · ")}`;
    ["one", "other"].forEach((name, n) => {
      const row = offer.items[n];
      chosen[name] = row ? row.id : null;
      inputs[name].value = row ? row.label : "";
    });
    choices("item", offer.items.slice(0, offer.ranked));
    choices("sentences", offer.sentences);
    choices("edges", offer.edges);
    choices("first", offer.systems);
    choices("second", offer.systems);
    const teacher = offer.systems.findIndex((row) => row.id === "mars");
    find('[data-choice="second"]').selectedIndex = teacher > 0 ? teacher : Math.min(1, offer.systems.length - 1);
    find("[data-tools]").replaceChildren(...offer.tools.map((row) =>
      button(row.label, () => edit({ do: "tools", at: row.at, text: `${words.silent} ${row.label}` }))));
    draw();
    const wanted = STAR.explore.wanted(); // a card of Explore asks: why the first, and not this one
    if (wanted === null) return;
    const asked = offer.items.find((row) => row.id === wanted);
    if (asked && asked.id !== chosen.one) { chosen.other = asked.id; inputs.other.value = asked.label; }
    show("why_not");
    if (chosen.other !== null) setTimeout(() => ask("why_not"), 100);
  }

  /* Show the form of one kind of question. */
  function show(kind) {
    for (const radio of all("[data-kind]")) radio.checked = radio.value === kind;
    for (const pane of all("[data-pane]")) pane.hidden = pane.dataset.pane !== kind;
  }
  for (const radio of all("[data-kind]")) {
    radio.name = group;
    radio.addEventListener("change", () => show(radio.value));
  }
  for (const go of all("[data-ask]")) go.addEventListener("click", () => ask(go.dataset.ask));
  for (const cut of all("[data-cut]")) {
    if (!cut.matches("button")) continue;
    cut.addEventListener("click", () => {
      const choice = find(`[data-choice="${cut.dataset.cut}"]`);
      const option = choice.selectedOptions[0];
      if (option) edit({ do: cut.dataset.cut, at: Number(option.value), text: `${words.cut}: ${option.textContent}` });
    });
  }
  find("[data-undo]").addEventListener("click", () => { at = Math.max(at - 1, 0); changed("undone"); });
  find("[data-redo]").addEventListener("click", () => { at = Math.min(at + 1, edits.length); changed("done again"); });

  /* Gradio may give the same value twice. */
  const drawn = () => {
    const next = props.value;
    if (next && next.shelf && (anew || JSON.stringify(next) !== JSON.stringify(offer))) begin(next);
  };
  watch("value", drawn);
  drawn();
  // The answer that is on the page is taken at once; a card that asks takes it itself.
  if (!offer && STAR.explore.run() && !STAR.explore.asking()) document.querySelector("#take-last").click();
};

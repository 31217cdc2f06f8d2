/* The login page: send name and password, and show why they are refused. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form");
  const said = document.querySelector("[data-said]");
  let asked = 0;
  form.addEventListener("input", () => { asked += 1; });

  /* Try again with growing waits while the server or its database is away, until the visitor types something else. */
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++asked;
    said.textContent = "";
    const body = JSON.stringify({ name: form.elements.name.value, password: form.elements.password.value });
    for (let wait = 1000; mine === asked; wait = Math.min(2 * wait, 8000)) {
      let words = "The server does not answer.";
      try {
        const reply = await fetch("sign-in", { method: "POST", body, headers: { "X-Star": "1", "Content-Type": "application/json" } });
        if (reply.ok) { location.href = "../"; return; }
        words = (await reply.json().catch(() => ({}))).error || `The server answered ${reply.status}.`;
        if (reply.status < 500) { said.textContent = words; return; }
      } catch { /* no answer at all */ }
      said.textContent = `${words} Trying again…`;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  });
});

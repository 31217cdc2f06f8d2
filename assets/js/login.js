/* The login page. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form");
  const said = document.querySelector("[data-said]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    const body = JSON.stringify({ name: form.elements.name.value, password: form.elements.password.value });
    try {
      const reply = await fetch("sign-in", { method: "POST", body, headers: { "X-Star": "1", "Content-Type": "application/json" } });
      if (reply.ok) { location.href = "../"; return; }
      said.textContent = (await reply.json()).error;
    } catch {
      said.textContent = "The server does not answer; try again in a moment.";
    }
  });
});

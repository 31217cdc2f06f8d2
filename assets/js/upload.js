/* The form that sends a table of one's own; it is on the page with `star serve --uploads` alone. */
"use strict";

document.addEventListener("submit", async (event) => {
  const form = event.target instanceof Element && event.target.closest("form[data-upload]");
  if (!form) return;
  event.preventDefault();
  const file = form.elements.table.files[0], said = form.querySelector("[role=status]"), button = form.querySelector("button");
  if (!file) return;
  said.textContent = "The table is being read…";
  button.disabled = true;
  try {
    const about = new URLSearchParams({ name: file.name, domain: form.elements.domain.value });
    const headers = { "X-Star": "1", "Content-Type": "text/csv" };
    const reply = await fetch(`star-upload/table?${about}`, { method: "POST", headers, body: file });
    const answer = await reply.json();
    if (reply.ok) location.assign(`?${new URLSearchParams({ dataset: answer.dataset })}`);
    else said.textContent = `${answer.error[0].toUpperCase()}${answer.error.slice(1)}.`;
  } catch {
    said.textContent = "The table could not be sent. Is it larger than the server takes, or is the server gone?";
  }
  button.disabled = false;
});

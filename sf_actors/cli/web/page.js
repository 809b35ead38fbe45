"use strict";

// The server computes the layout and all texts; this script only puts them into place.
const picture = document.getElementById("picture");
const status = document.getElementById("status");
const events = new EventSource("/events");

events.addEventListener("graph", (event) => {
  const parsed = new DOMParser().parseFromString(JSON.parse(event.data), "image/svg+xml");
  picture.replaceChildren(document.importNode(parsed.documentElement, true));
});

events.addEventListener("figures", (event) => {
  for (const [id, lines] of Object.entries(JSON.parse(event.data))) {
    lines.forEach((line, number) => {
      const text = document.getElementById(`${id}.${number + 1}`);
      if (text !== null && text.textContent !== line) {
        text.textContent = line;
      }
    });
  }
  document.body.classList.remove("stale");
  status.textContent = `live, ${new Date().toLocaleTimeString()}`;
});

events.addEventListener("error", () => {
  document.body.classList.add("stale");
  status.textContent = "not connected; trying again";
});

picture.addEventListener("click", async (event) => {
  const service = event.target.closest("[data-service]");
  if (service === null) {
    return;
  }
  event.preventDefault();
  const name = service.dataset.service;
  const answer = await fetch(`/info?service=${encodeURIComponent(name)}`);
  const text = await answer.text();
  document.getElementById("info-name").textContent = name;
  document.getElementById("info-text").textContent =
    answer.ok ? JSON.stringify(JSON.parse(text), null, 2) : text;
  document.getElementById("info").hidden = false;
});

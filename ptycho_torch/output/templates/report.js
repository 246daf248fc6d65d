"use strict";
const dialog = document.getElementById("zoom"), stage = dialog.querySelector(".stage");
let place = {x: 0, y: 0, scale: 1}, frame = null, from = null;
const move = () => { frame.style.transform = `translate(${place.x}px,${place.y}px) scale(${place.scale})`; };
function enlarge(source) {
  frame = source.cloneNode(true);
  place = {x: 0, y: 0, scale: 1};
  stage.replaceChildren(frame);
  dialog.showModal();
}
for (const source of document.querySelectorAll("main .frame")) {
  source.addEventListener("click", () => enlarge(source));
  source.addEventListener("keydown", (event) => { if (event.key === "Enter") enlarge(source); });
}
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = frame.getBoundingClientRect(), factor = Math.exp(-event.deltaY / 400);
  const scale = Math.min(40, Math.max(0.5, place.scale * factor)), ratio = scale / place.scale - 1;
  place = {x: place.x - (event.clientX - box.left) * ratio, y: place.y - (event.clientY - box.top) * ratio, scale};
  move();
}, {passive: false});
stage.addEventListener("pointerdown", (event) => { from = {x: event.clientX - place.x, y: event.clientY - place.y}; stage.setPointerCapture(event.pointerId); });
stage.addEventListener("pointermove", (event) => { if (from) { place.x = event.clientX - from.x; place.y = event.clientY - from.y; move(); } });
stage.addEventListener("pointerup", () => { from = null; });

"use strict";
// Draws the weights of the chosen head, and says the number under the pointer.
const find = (id) => document.getElementById(id);
const { panels, queries, keys, ramp, scale, floor, cell, left, above } =
  JSON.parse(find("data").textContent);
const floats = (text) =>
  new Float32Array(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
const across = keys.length, down = queries.length;
let weights = null;

function brightness(weight, largest) {
  if (scale === "sqrt") return Math.sqrt(weight);
  if (scale === "log") return 1 - Math.log(Math.min(Math.max(weight, floor), 1)) / Math.log(floor);
  return scale === "row" ? weight / (largest || 1) : weight;
}

function colour(bright) {
  const at = Math.min(Math.max(bright, 0), 1) * (ramp.length - 1), low = Math.floor(at);
  const high = Math.min(low + 1, ramp.length - 1);
  return ramp[low].map((part, c) => part + (ramp[high][c] - part) * (at - low));
}

function draw(number) {
  weights = floats(panels[number]);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d"), image = context.createImageData(across, down);
  for (let row = 0; row < down; row++) {
    const line = weights.subarray(row * across, (row + 1) * across);
    const largest = line.reduce((most, one) => (one > most ? one : most), 0);
    for (let column = 0; column < across; column++) {
      if (Number.isNaN(line[column])) continue;
      const pixel = [...colour(brightness(line[column], largest)), 255];
      image.data.set(pixel, 4 * (row * across + column));
    }
  }
  context.putImageData(image, 0, 0);
  find("weights").setAttribute("href", canvas.toDataURL());
}

function point(event) {
  const map = find("map"), at = new DOMPoint(event.clientX, event.clientY);
  const { x, y } = at.matrixTransform(map.getScreenCTM().inverse());
  const column = Math.floor((x - left) / cell), row = Math.floor((y - above) / cell);
  const inside = column >= 0 && column < across && row >= 0 && row < down;
  find("cursor").style.visibility = inside ? "visible" : "hidden";
  if (!inside) return;
  find("cursor").setAttribute("x", left + column * cell);
  find("cursor").setAttribute("y", above + row * cell);
  const weight = weights[row * across + column];
  const number = Number.isNaN(weight) ? "nothing" : weight.toFixed(4);
  find("said").textContent = `${queries[row]} → ${keys[column]} ${number}`;
}

find("panel")?.addEventListener("change", (event) => draw(event.target.value));
find("map").addEventListener("pointermove", point);
draw(0);

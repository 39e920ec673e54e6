// A button on Load Motion that puts a file from this computer into ComfyUI's input folder.
// ComfyUI's own upload widgets take pictures, sound and video only.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const ENDINGS = [".csv", ".safetensors"];

async function upload(node, file) {
  const body = new FormData();
  body.append("image", file); // the route's name for any file
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!answer.ok) {
    throw new Error(`'${file.name}' could not be uploaded (${answer.status}).`);
  }
  const { name, subfolder } = await answer.json();
  const path = subfolder ? `${subfolder}/${name}` : name;
  const choice = node.widgets.find((one) => one.name === "file");
  if (!choice.options.values.includes(path)) {
    choice.options.values = [...choice.options.values, path].sort();
  }
  choice.value = path;
  choice.callback?.(path);
  app.graph.setDirtyCanvas(true);
}

function pick(node) {
  const chooser = document.createElement("input");
  chooser.type = "file";
  chooser.accept = ENDINGS.join(",");
  chooser.addEventListener("change", async () => {
    try {
      await upload(node, chooser.files[0]);
    } catch (error) {
      alert(error.message);
    }
  });
  chooser.click();
}

app.registerExtension({
  name: "SynchroRaMa.MotionUpload",
  nodeCreated(node) {
    if (node.comfyClass !== "SynchroRaMaMotionLoad") {
      return;
    }
    const button = node.addWidget("button", "upload", null, () => pick(node), { serialize: false });
    button.label = "choose file to upload";
    button.serialize = false; // it is no part of the workflow
  },
});

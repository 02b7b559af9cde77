// A chart with a title and a menu that saves it as PNG or SVG.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { errorMessage, notice } from "../model";
import { type Part, toPng, toSvg } from "../picture";
import { Menu } from "./basics";
import { saveFile } from "./save";

export function FiguresMenu({ name, ...part }: Part & { name: string }) {
  const take = async (kind: "svg" | "png") => {
    try {
      const blob = kind === "svg" ? toSvg(part) : await toPng(part);
      saveFile(blob, `${name}.${kind}`);
    } catch (error) {
      notice.value = errorMessage(error);
    }
  };
  return (
    <Menu label="Save picture" class="small">
      {(close) => (
        <div class="menu-list">
          {(["png", "svg"] as const).map((kind) => (
            <button
              key={kind}
              type="button"
              onClick={() => {
                close();
                take(kind);
              }}
            >
              {kind.toUpperCase()}
            </button>
          ))}
        </div>
      )}
    </Menu>
  );
}

interface Props {
  title: string;
  name: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}
export function Figure({ title, name, note, children }: Props) {
  const id = `figure-${useId()}`;
  return (
    <figure class="figure" aria-labelledby={`${id}-title`}>
      <figcaption>
        <h3 id={`${id}-title`}>{title}</h3>
        <FiguresMenu name={name} of={`#${CSS.escape(id)}`} title={title} />
      </figcaption>
      {note && <p class="hint">{note}</p>}
      <div class="figure-body" id={id} tabIndex={0} role="region" aria-label={title}>
        {children}
      </div>
    </figure>
  );
}

/** The few drawings of the app; each says nothing to a screen reader, the button around it does. */

const PATHS = {
  back: "M12.5 4.5 7 10l5.5 5.5",
  share: "M10 12.5V3m0 0L6.5 6.5M10 3l3.5 3.5M4 10.5V16h12v-5.5",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  copy: "M7 7V3.5h9.5V13H13M3.5 7H13v9.5H3.5z",
  download: "M10 3v9.5m0 0L6.5 9M10 12.5 13.5 9M4 13v3.5h12V13",
  history: "M3.5 10a6.5 6.5 0 1 0 2-4.7L3.5 7M3.5 3.5V7H7M10 6.5V10l2.5 1.5",
  close: "M5 5l10 10M15 5 5 15",
  pen: "M4 16l.8-3.5L13.5 3.8l2.7 2.7L7.5 15.2z",
  search: "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l4 4",
  remove: "M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6",
} as const;

export const Icon = ({ of }: { of: keyof typeof PATHS }) => (
  <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <path d={PATHS[of]} fill="none" stroke="currentColor" strokeWidth={of === "more" ? 2.6 : 1.6} strokeLinecap="round" strokeLinejoin="round" />
  </svg>
);

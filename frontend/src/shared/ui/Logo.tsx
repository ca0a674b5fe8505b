/** The mark of Likeness: a face in a frame. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#176a83" />
      <path
        d="M9 11V9h3M23 11V9h-3M9 21v2h3M23 21v2h-3"
        fill="none"
        stroke="#fff"
        strokeWidth="2"
        strokeLinecap="round"
      />
      <circle cx="16" cy="16" r="4.2" fill="#fff" />
    </svg>
  );
}

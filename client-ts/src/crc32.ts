/** zlib's CRC-32 of a text's UTF-8: what the server's own is compared with. */

export const crc32 = (text: string): string => {
  const table = Int32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 8; bit--; ) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
    return byte;
  });
  let sum = -1;
  for (const byte of new TextEncoder().encode(text)) sum = table[(sum ^ byte) & 255]! ^ (sum >>> 8);
  return (~sum >>> 0).toString(16).padStart(8, "0");
};

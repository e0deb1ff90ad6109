/** Requests to the desk. Same origin only; a refusal becomes an Error with the server's words. */

/**
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function read(address, signal) {
  const answer = await fetch(address, { headers: { accept: "application/json" }, signal });
  if (!answer.ok) throw new Error(await words(answer));
  return answer.json();
}

/**
 * @param {string} address
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function write(address, body) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await words(answer));
  return answer.json();
}

/**
 * @param {Response} answer
 * @returns {Promise<string>}
 */
async function words(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text.slice(0, 200) || `status ${answer.status}`;
  }
}

/**
 * @param {number} count
 * @returns {string} with narrow spaces between thousands
 */
export function number(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

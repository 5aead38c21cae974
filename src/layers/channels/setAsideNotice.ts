/** What the sender of a message is told that is set aside before it had a turn. Markdown. */
export const notice = [
  "Your message arrived, but handling it failed several times. It is set aside and gets no answer for now; you can write it again in other words.",
  "",
  "The owner of the bot sees it with `openclaw channels dead-letters list`."
].join("\n")

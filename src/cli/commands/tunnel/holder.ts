/** What `openclaw tunnel up` is called where others ask who holds a tunnel. Only such a one is ended by `down`. */
export const HOLDER = "openclaw tunnel up"

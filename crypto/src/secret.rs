//! A value that is wiped when it is dropped, never printed and never serialised.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret value. There is no `Deref`, no `Serialize`, no comparison: each use is spelled out by
/// [`expose`](Self::expose), where a reader can look for it.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value over. Copies that the caller still holds are the caller's to wipe.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value in the clear.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value in the clear, to be filled in place.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> ZeroizeOnDrop for Secret<T> {}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    struct Tattling(Rc<Cell<u32>>);

    impl Zeroize for Tattling {
        fn zeroize(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn wipes_once_when_dropped() {
        let wiped = Rc::new(Cell::new(0));
        let secret = Secret::new(Tattling(Rc::clone(&wiped)));
        assert_eq!(secret.expose().0.get(), 0);
        drop(secret);
        assert_eq!(wiped.get(), 1);
    }

    #[test]
    fn prints_nothing_of_the_value() {
        let secret = Secret::new(vec![0xab_u8, 171]);
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(format!("{secret:#?}"), "Secret(redacted)");
    }
}

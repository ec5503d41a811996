//! What the compiler is to hold for every secret type: wiped on drop, by our own types and by those within, which
//! depends on features of dependencies; and not serialisable. These tests fail by not compiling.

use serde::Serialize;
use zeroize::ZeroizeOnDrop;

use crate::exact::{AttributeKey, Product, Scratch, SlotKey, SlotProduct, SlotScratch};
use crate::identity::SigningIdentity;
use crate::mask::pairwise::MaskSecret;
use crate::mask::prg::Prg;
use crate::mask::self_mask::SelfMaskSeed;
use crate::mask::shamir::Share;
use crate::rlwe::SecretKey;
use crate::seal::{PairKey, SealingSecret};
use crate::secret::Secret;
use crate::seed::Seed;

#[test]
fn all_are_wiped_on_drop() {
    fn wiped<T: ZeroizeOnDrop>() {}
    wiped::<Secret<Vec<u8>>>();
    wiped::<Seed>();
    wiped::<Share>();
    wiped::<SecretKey>();
    wiped::<crate::ckks::SecretKey>();
    wiped::<crate::ckks::Decrypted>();
    wiped::<AttributeKey>();
    wiped::<SlotKey>();
    wiped::<Product>();
    wiped::<SlotProduct>();
    wiped::<Scratch>();
    wiped::<SlotScratch>();
    // What the other secret types are made of.
    wiped::<ed25519_dalek::SigningKey>();
    wiped::<x25519_dalek::StaticSecret>();
    wiped::<x25519_dalek::SharedSecret>();
    wiped::<aes::Aes128Enc>();
}

/// Two implementations make the call ambiguous for a type that serialises.
trait NotSerialize<Witness> {
    fn holds() -> bool {
        true
    }
}

impl<T: ?Sized> NotSerialize<()> for T {}
impl<T: ?Sized + Serialize> NotSerialize<u8> for T {}

#[test]
fn none_serialises() {
    assert!(<Secret<[u8; 32]> as NotSerialize<_>>::holds());
    assert!(<Seed as NotSerialize<_>>::holds());
    assert!(<SigningIdentity as NotSerialize<_>>::holds());
    assert!(<SealingSecret as NotSerialize<_>>::holds());
    assert!(<PairKey as NotSerialize<_>>::holds());
    assert!(<MaskSecret as NotSerialize<_>>::holds());
    assert!(<SelfMaskSeed as NotSerialize<_>>::holds());
    assert!(<Share as NotSerialize<_>>::holds());
    assert!(<SecretKey as NotSerialize<_>>::holds());
    assert!(<crate::ckks::SecretKey as NotSerialize<_>>::holds());
    assert!(<crate::ckks::Decrypted as NotSerialize<_>>::holds());
    assert!(<AttributeKey as NotSerialize<_>>::holds());
    assert!(<SlotKey as NotSerialize<_>>::holds());
    assert!(<Product as NotSerialize<_>>::holds());
    assert!(<SlotProduct as NotSerialize<_>>::holds());
    assert!(<Prg as NotSerialize<_>>::holds());
}

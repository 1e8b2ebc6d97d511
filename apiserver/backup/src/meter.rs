//! How far a long copy has come, told to whoever shows it.

/// Told how many more bytes were copied.
pub struct Meter<'a>(Option<&'a (dyn Fn(u64) + Sync)>);

impl<'a> Meter<'a> {
    pub fn new(tell: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self(Some(tell))
    }

    /// Nobody looks.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn add(&self, bytes: u64) {
        if let Some(tell) = self.0 {
            tell(bytes);
        }
    }
}

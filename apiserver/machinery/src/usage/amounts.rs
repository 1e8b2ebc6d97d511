//! Quantities by name, and the sums and differences that quotas are made of (apiserver pkg/quota/v1/resources.go).

use crate::quantity::{Format, Quantity};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<String, Quantity>);

impl Amounts {
    /// A map of quantities; what cannot be read is left out.
    pub fn parse(map: Option<&Value>) -> Self {
        let entries = map.and_then(Value::as_object).into_iter().flatten();
        let parsed = entries.filter_map(|(name, amount)| {
            let text = amount.as_str()?;
            Some((name.to_string(), Quantity::parse(text).ok()?))
        });
        Amounts(parsed.collect())
    }

    pub fn to_value(&self) -> Value {
        let entries = self.0.iter();
        let entries = entries.map(|(name, amount)| (name.clone(), amount.to_string().into()));
        Value::Object(entries.collect::<Map<_, _>>())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Option<&Quantity> {
        self.0.get(name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn set(&mut self, name: &str, amount: Quantity) {
        self.0.insert(name.to_owned(), amount);
    }

    /// Sets a whole number.
    pub fn count(&mut self, name: &str, number: usize) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.set(name, Quantity::from_int(number, Format::DecimalSi));
    }

    /// A zero for each name.
    pub fn zeros<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Amounts(
            names
                .map(|name| (name.to_owned(), Quantity::zero()))
                .collect(),
        )
    }

    pub fn add(&mut self, name: &str, amount: &Quantity) {
        match self.0.get_mut(name) {
            Some(sum) => sum.add(amount),
            None => self.set(name, amount.clone()),
        }
    }

    #[must_use]
    pub fn plus(mut self, other: &Amounts) -> Self {
        for (name, amount) in &other.0 {
            self.add(name, amount);
        }
        self
    }

    /// The larger of each.
    pub fn raise(&mut self, other: &Amounts) {
        for (name, amount) in &other.0 {
            if self.0.get(name).is_none_or(|own| own < amount) {
                self.set(name, amount.clone());
            }
        }
    }

    /// What is more than in `other`; zero where it is less.
    #[must_use]
    pub fn beyond(mut self, other: &Amounts) -> Self {
        for (name, amount) in &mut self.0 {
            if let Some(less) = other.0.get(name) {
                amount.sub(less);
            }
            if amount.sign() <= 0 {
                *amount = Quantity::zero();
            }
        }
        self
    }

    #[must_use]
    pub fn without_zeros(mut self) -> Self {
        self.0.retain(|_, amount| !amount.is_zero());
        self
    }

    #[must_use]
    pub fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name, _| keep(name));
        self
    }

    #[must_use]
    pub fn only_named(&self, names: &[&str]) -> Self {
        self.clone().only(|name| names.contains(&name))
    }

    pub fn negative(&self) -> Vec<&str> {
        let negative = self.0.iter().filter(|(_, amount)| amount.sign() < 0);
        negative.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether an amount is more than its limit; without a limit it is not.
    pub fn exceeds(&self, limits: &Amounts, name: &str) -> bool {
        match (self.get(name), limits.get(name)) {
            (Some(amount), Some(limit)) => amount > limit,
            _ => false,
        }
    }
}

/// `a=1,b=2`, as a refusal shows amounts.
impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, amount)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{name}={amount}")?;
        }
        Ok(())
    }
}

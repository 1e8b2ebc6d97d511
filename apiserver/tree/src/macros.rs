//! `json!`: a tree written as JSON, with expressions where values stand.

/// A [`Value`](crate::Value) written as JSON. Values and keys may be expressions.
#[macro_export]
macro_rules! json {
    (null) => { $crate::Value::Null };
    ([$($items:tt)*]) => {{
        #[allow(unused_mut, clippy::vec_init_then_push)]
        let list = {
            let mut list = ::std::vec::Vec::<$crate::Value>::new();
            $crate::json_items!(list; $($items)*);
            list
        };
        $crate::Value::Array(list)
    }};
    ({$($fields:tt)*}) => {{
        #[allow(unused_mut)]
        let map = {
            let mut map = $crate::Map::<::std::string::String, $crate::Value>::new();
            $crate::json_fields!(map; [] $($fields)*);
            map
        };
        $crate::Value::Object(map)
    }};
    ($value:expr) => {{
        #[allow(unused_imports)]
        use $crate::private::{ByItself as _, BySerde as _};
        (&$crate::private::Expression(&$value)).tree()
    }};
}

/// The items of an array, pushed one after another.
#[doc(hidden)]
#[macro_export]
macro_rules! json_items {
    ($list:ident;) => {};
    ($list:ident; null $(, $($rest:tt)*)?) => {
        $list.push($crate::Value::Null);
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; [$($items:tt)*] $(, $($rest:tt)*)?) => {
        $list.push($crate::json!([$($items)*]));
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; {$($fields:tt)*} $(, $($rest:tt)*)?) => {
        $list.push($crate::json!({$($fields)*}));
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; $value:expr $(, $($rest:tt)*)?) => {
        $list.push($crate::json!($value));
        $($crate::json_items!($list; $($rest)*);)?
    };
}

/// The fields of an object, put in one after another. The tokens of a key are gathered in brackets until its colon comes.
#[doc(hidden)]
#[macro_export]
macro_rules! json_fields {
    ($map:ident; []) => {};
    ($map:ident; [$($key:tt)+] : null $(, $($rest:tt)*)?) => {
        $map.put($crate::json_key!($($key)+), $crate::Value::Null);
        $($crate::json_fields!($map; [] $($rest)*);)?
    };
    ($map:ident; [$($key:tt)+] : [$($items:tt)*] $(, $($rest:tt)*)?) => {
        $map.put($crate::json_key!($($key)+), $crate::json!([$($items)*]));
        $($crate::json_fields!($map; [] $($rest)*);)?
    };
    ($map:ident; [$($key:tt)+] : {$($fields:tt)*} $(, $($rest:tt)*)?) => {
        $map.put($crate::json_key!($($key)+), $crate::json!({$($fields)*}));
        $($crate::json_fields!($map; [] $($rest)*);)?
    };
    ($map:ident; [$($key:tt)+] : $value:expr $(, $($rest:tt)*)?) => {
        $map.put($crate::json_key!($($key)+), $crate::json!($value));
        $($crate::json_fields!($map; [] $($rest)*);)?
    };
    ($map:ident; [$($key:tt)*] $next:tt $($rest:tt)*) => {
        $crate::json_fields!($map; [$($key)* $next] $($rest)*)
    };
}

/// A key: a literal is part of the program.
#[doc(hidden)]
#[macro_export]
macro_rules! json_key {
    ($key:literal) => {
        $crate::Key::fixed($key)
    };
    (($key:expr)) => {
        $crate::Key::from($key)
    };
    ($key:expr) => {
        $crate::Key::from($key)
    };
}

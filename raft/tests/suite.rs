//! One test program: linking the database once is enough.

mod cluster;
mod machine;
mod node;
mod tls;

//! The document of OpenAPI v2, which shows all kinds at once: put together of parts that were made and packed each by itself, and sent as
//! they lie. Behind this server's own kinds come those of others (kube-aggregator pkg/controllers/openapi/aggregator).

use super::built_in::BuiltIn;
use super::chunk::{Chunk, Run, chunks};
use super::parts::Part;
use super::published::{Encoding, Slots, apart, hash};
use crate::aggregation::Swagger as Other;
use crate::body::{Body, CutShort};
use crate::gzip;
use bytes::Bytes;
use flate2::Crc;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use triad_machinery::openapi::{Descriptions, Section, V2Frame, merged_kinds};

/// The document of all kinds there are at one moment.
#[derive(Default)]
pub(super) struct Swagger {
    parts: Vec<Arc<Part>>,
    /// What other servers say of their kinds, those that come first first.
    others: Vec<Arc<Other>>,
    tag: OnceLock<String>,
    whole: Slots<Whole>,
}

impl Swagger {
    pub(super) fn new(parts: Vec<Arc<Part>>, others: Vec<Arc<Other>>) -> Self {
        Swagger {
            parts,
            others,
            ..Swagger::default()
        }
    }

    /// SHA-512 of the tags of all parts, in capitals; protobuf has the same, for Vary tells them apart.
    pub(super) fn etag(&self, built_in: &BuiltIn) -> &str {
        self.tag.get_or_init(|| {
            let mut tags = built_in.tag.clone();
            self.parts.iter().for_each(|part| tags.push_str(&part.tag));
            self.others
                .iter()
                .for_each(|other| tags.push_str(&other.tag));
            hash(tags.as_bytes())
        })
    }

    /// The document, put together when it is first asked for.
    pub(super) fn whole(&self, encoding: Encoding, built_in: &BuiltIn) -> &Result<Whole, CutShort> {
        let slot = self.whole.of(encoding);
        slot.get_or_init(|| self.put_together(encoding, built_in))
    }

    fn put_together(&self, encoding: Encoding, built_in: &BuiltIn) -> Result<Whole, CutShort> {
        let missing = |part: &&Arc<Part>| part.made(encoding).is_none();
        if self.parts.iter().any(|part| missing(&part)) {
            apart(|| {
                let descriptions = Descriptions::read(&built_in.descriptions);
                for part in self.parts.iter().filter(missing) {
                    part.make(encoding, built_in, &descriptions);
                }
            });
        }
        let mut parameters = built_in.parameters.clone();
        let mut all: Vec<&Chunk> = built_in.chunks(encoding).iter().collect();
        for part in &self.parts {
            let chunks = part.made(encoding).ok_or(CutShort)?;
            all.extend(chunks.as_ref().map_err(Clone::clone)?);
            for (name, value) in part.parameters().into_iter().flatten() {
                parameters.insert(name.to_string(), value.clone());
            }
        }
        let foreign = self.foreign(encoding, built_in, &mut parameters)?;
        for chunk in &foreign {
            // A definition that stands for more kinds now than built-in ones.
            match all.iter_mut().find(|one| one.is_in_place_of(chunk)) {
                Some(one) => *one = chunk,
                None => all.push(chunk),
            }
        }
        all.sort_by(|a, b| (a.section, &a.first).cmp(&(b.section, &b.first)));
        parameters.sort_keys();
        let parameters = encoding.entries(Section::Parameters, &parameters);
        Whole::new(encoding, &built_in.frame, &all, &parameters)
    }

    /// What the kinds of other servers are in the document; names that stand for something else here were changed.
    fn foreign(
        &self,
        encoding: Encoding,
        built_in: &BuiltIn,
        parameters: &mut Map<String, Value>,
    ) -> Result<Vec<Chunk>, CutShort> {
        let mut all = Vec::new();
        if self.others.is_empty() {
            return Ok(all);
        }
        let (mut known, mut shared) = (built_in.known.clone(), built_in.shared.clone());
        for name in self.parts.iter().flat_map(|part| part.definitions()) {
            known.add_definition(&name);
        }
        for other in &self.others {
            for (name, definition) in &other.part.definitions {
                let own = shared.get(name).filter(|_| known.says(name, definition));
                if let Some(merged) = own.and_then(|own| merged_kinds(own, definition)) {
                    shared.insert(name.to_string(), merged);
                }
            }
            let new = known.take_in(&other.part);
            all.extend(chunks(&new, encoding, &Map::new())?);
            for (name, value) in &new.parameters {
                parameters.insert(name.to_string(), value.clone());
            }
        }
        let changed = shared
            .iter()
            .filter(|(name, value)| built_in.shared.get(*name) != Some(*value));
        for (name, value) in changed {
            let entry = Map::from_iter([(name.to_string(), value.clone())]);
            all.push(Chunk::new(Section::Definitions, &entry, encoding)?);
        }
        Ok(all)
    }
}

/// A whole document, in runs that are shared with others.
pub(super) struct Whole {
    runs: Vec<Run>,
    crc: Crc,
}

impl Whole {
    fn new(
        encoding: Encoding,
        frame: &V2Frame,
        chunks: &[&Chunk],
        parameters: &[u8],
    ) -> Result<Self, CutShort> {
        let of = |section: Section| chunks.iter().filter(move |chunk| chunk.section == section);
        let length = |section: Section| of(section).map(|chunk| chunk.run.length).sum();
        let around = match encoding {
            Encoding::Json => frame.json(),
            Encoding::Protobuf => {
                let (paths, definitions) = (length(Section::Paths), length(Section::Definitions));
                frame.protobuf([paths, definitions, parameters.len()])
            }
        };
        let between = match encoding {
            Encoding::Json => Some(Run::new(b",")?),
            Encoding::Protobuf => None,
        };
        let mut runs = Vec::with_capacity(2 * chunks.len() + 4);
        for (section, before) in [Section::Paths, Section::Definitions]
            .into_iter()
            .zip(&around)
        {
            runs.push(Run::new(before)?);
            for (at, chunk) in of(section).enumerate() {
                runs.extend(between.iter().filter(|_| at > 0).cloned());
                runs.push(chunk.run.clone());
            }
        }
        runs.push(Run::new(&[&around[2], parameters, &around[3]].concat())?);
        let mut crc = Crc::new();
        runs.iter().for_each(|run| crc.combine(&run.crc));
        Ok(Whole { runs, crc })
    }

    pub(super) fn zipped(&self) -> Body {
        let mut pieces = VecDeque::with_capacity(self.runs.len() + 2);
        pieces.push_back(Bytes::from_static(&gzip::HEAD));
        pieces.extend(self.runs.iter().map(|run| run.deflated.clone()));
        pieces.push_back(gzip::tail(&self.crc).into());
        Body::Pieces(pieces)
    }

    /// Unpacked as the client takes it.
    pub(super) fn plain(&self) -> Body {
        let runs = self.runs.clone();
        Body::Chunks(Box::new(runs.into_iter().map(|run| run.plain())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::parts;
    use super::*;
    use crate::custom::{Kind, Members};
    use serde_json::json;
    use std::io::Read as _;
    use triad_machinery::openapi::{Documents, v2_protobuf};
    use triad_machinery::scheme::scheme;

    const KINDS: usize = 200;

    fn documents() -> Documents<'static> {
        let resources = scheme().resources().iter();
        Documents::new(resources.filter(|r| r.group == "apps"), "1.37")
    }

    /// A kind that says so much of its field `size`.
    fn kind(number: usize, says: &str) -> Arc<Kind> {
        let names = json!({"plural": format!("widget{number}s"), "kind": format!("Widget{number}"), "listKind": format!("Widget{number}List")});
        let size = json!({"type": "integer", "minimum": 1, "description": says});
        let scope = if number.is_multiple_of(3) {
            "Cluster"
        } else {
            "Namespaced"
        };
        let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": size}}}}}});
        Arc::new(Kind::established(
            &json!({"metadata": {"name": format!("widget{number}s.a.example.com")},
            "spec": {"group": "a.example.com", "scope": scope, "names": names, "versions": [version]}, "status": {"acceptedNames": names}}),
        ))
    }

    fn members(kinds: &[Arc<Kind>]) -> Members {
        let named = kinds
            .iter()
            .map(|kind| (Arc::from(kind.definition.name.as_str()), kind.clone()));
        Arc::new(named.collect())
    }

    fn read(body: Body) -> Vec<u8> {
        match body {
            Body::Pieces(pieces) => pieces.into_iter().flatten().collect(),
            Body::Chunks(chunks) => {
                let pieces: Result<Vec<Bytes>, _> = chunks.collect();
                pieces.expect("whole").concat()
            }
            Body::Stream(_) => panic!("documents are no streams"),
        }
    }

    fn unzipped(body: Body) -> Vec<u8> {
        let (zipped, mut plain) = (read(body), Vec::new());
        let mut reader = flate2::read::GzDecoder::new(&zipped[..]);
        reader.read_to_end(&mut plain).expect("one sound stream");
        assert!(reader.into_inner().is_empty(), "nothing stands behind it");
        plain
    }

    fn whole<'a>(swagger: &'a Swagger, encoding: Encoding, built_in: &BuiltIn) -> &'a Whole {
        let whole = swagger.whole(encoding, built_in);
        whole.as_ref().unwrap_or_else(|_| panic!("it can be made"))
    }

    #[test]
    fn the_document_is_that_of_all_kinds() {
        let documents = documents();
        let built_in = BuiltIn::new(&documents).expect("it can be made");
        let kinds: Vec<_> = (0..KINDS).map(|number| kind(number, "how large")).collect();
        let all = parts(&"v1".into(), &members(&kinds), &[]);
        assert!(all.len() > 4, "{} parts", all.len());
        let swagger = Swagger::new(all, Vec::new());

        let json = read(whole(&swagger, Encoding::Json, &built_in).plain());
        assert!(unzipped(whole(&swagger, Encoding::Json, &built_in).zipped()) == json);
        let found: Value = serde_json::from_slice(&json).expect("JSON");
        // All at once, as a tree.
        let text = triad_docs::text();
        let descriptions = Descriptions::read(&text);
        let mut wanted = documents.v2(&descriptions);
        let shown: Vec<_> = kinds
            .iter()
            .map(|kind| (&kind.definition, &*kind.definition.versions[0]))
            .collect();
        let customs = triad_machinery::openapi::custom_v2(&shown, &descriptions);
        for section in Section::ALL {
            let key = format!("{section:?}").to_lowercase();
            let entries = wanted[key.as_str()].as_object_mut().expect("a section");
            for (name, value) in customs.section(section) {
                entries.entry(&**name).or_insert_with(|| value.clone());
            }
        }
        assert!(found == wanted);
        assert_eq!(
            found["definitions"]["com.example.a.v1.Widget7"]["properties"]["spec"]["properties"]["size"]
                ["minimum"],
            1
        );
        let definitions: Vec<_> = found["definitions"]
            .as_object()
            .expect("a map")
            .keys()
            .map(|name| name.to_string())
            .collect();
        assert!(
            definitions
                .first()
                .expect("some")
                .starts_with("com.example")
        );

        let protobuf = unzipped(whole(&swagger, Encoding::Protobuf, &built_in).zipped());
        assert!(protobuf == v2_protobuf(&found));
    }

    #[test]
    fn a_change_costs_the_part_that_it_is_in() {
        let built_in = BuiltIn::new(&documents()).expect("it can be made");
        let mut kinds: Vec<_> = (0..KINDS).map(|number| kind(number, "how large")).collect();
        let mut before = parts(&"v1".into(), &members(&kinds), &[]);
        let mut old = Swagger::new(before.clone(), Vec::new());
        whole(&old, Encoding::Json, &built_in);
        for number in [7, 70] {
            // The one says something else, the other goes: it may have ended a part.
            let most = match number {
                7 => kinds.splice(7..8, [kind(7, "how wide")]).map(|_| 1).sum(),
                _ => kinds.splice(70..71, []).map(|_| 2).sum::<usize>(),
            };
            let after = parts(&"v1".into(), &members(&kinds), &before);
            let new = after
                .iter()
                .filter(|part| part.made(Encoding::Json).is_none())
                .count();
            assert!((1..=most).contains(&new), "{new} of {} parts", after.len());
            let swagger = Swagger::new(after.clone(), Vec::new());
            assert_ne!(swagger.etag(&built_in), old.etag(&built_in));
            let text = unzipped(whole(&swagger, Encoding::Json, &built_in).zipped());
            let text = String::from_utf8(text).expect("text");
            assert!(text.contains("how wide"));
            assert_eq!(text.contains("\"com.example.a.v1.Widget70\""), number == 7);
            (before, old) = (after, swagger);
        }
    }
}

//! Numbers of types in raw tuples: what one schema's bytes become is what the server itself wrote
//! for the other schema.

use proptest::{collection::vec, option, prelude::*};

use super::{
    super::{CodecError, Rewrite, Tuples, TypeShape, rule::Rule},
    recorded,
};

fn rewrite(shape: TypeShape, tuple: &mut [u8]) -> Result<(), CodecError> {
    Rewrite::new(vec![("c".to_owned(), shape)]).rewrite(tuple, 1)
}

fn is_refused(shape: TypeShape, name: &str) -> bool {
    let expected = Rule::SHAPE.words;
    match rewrite(shape, &mut recorded::bytes(name)) {
        Ok(()) => false,
        Err(CodecError::Value { column, row: 0, rule, unrepresentable: false, .. }) => {
            column == "c" && rule == expected
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_other_schemas_numbers_are_what_the_server_writes_there() {
    for (name, shape) in recorded::shapes("there") {
        let mut tuple = recorded::bytes(&format!("here_{name}"));
        let there = recorded::bytes(&format!("there_{name}"));
        // A range of labels repeats no number, and an empty one no bound.
        let is_plain = matches!(name, "mood_range" | "pair_range_empty");
        assert_eq!(tuple == there, is_plain, "{name} is recorded twice");
        rewrite(shape, &mut tuple).unwrap();
        assert_eq!(tuple, there, "{name}");
    }
}

#[test]
fn whole_batches_are_rewritten_around_other_columns() {
    let shapes = recorded::shapes("there");
    let mut columns = vec![("first".to_owned(), TypeShape::Plain)];
    columns.extend(shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())));
    columns.push(("last".to_owned(), TypeShape::Plain));
    let rewrite = Rewrite::new(columns.clone());
    let rows = 3;
    let tuples = |schema: &str| {
        let mut row = i16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        // A field is all of a recorded tuple but the number of its columns.
        let mut field = |name: &str| row.extend_from_slice(&recorded::bytes(name)[2..]);
        field("null");
        for (name, _) in &shapes {
            field(&format!("{schema}_{name}"));
        }
        field("text");
        Tuples { rows, bytes: row.repeat(rows).into() }
    };
    assert!(rewrite.is_needed());
    assert_eq!(rewrite.apply(tuples("here")).unwrap(), tuples("there"));
    // Bytes that someone else still holds are left as they are.
    let here = tuples("here");
    assert_eq!(rewrite.apply(here.clone()).unwrap(), tuples("there"));
    assert_eq!(here, tuples("here"));
}

#[test]
fn plain_columns_need_nothing() {
    let plain = |shape| Rewrite::new(vec![("c".to_owned(), shape)]);
    let range = TypeShape::Range(Box::new(TypeShape::Plain));
    let multirange = TypeShape::Multirange(Box::new(range.clone()));
    for shape in [TypeShape::Plain, range, multirange] {
        assert!(!plain(shape).is_needed());
    }
    assert!(!Rewrite::new(Vec::new()).is_needed());
    assert!(plain(TypeShape::Composite { fields: Vec::new() }).is_needed());
}

#[test]
fn values_of_another_structure_are_refused() {
    let moods = || TypeShape::Array { element_oid: 7, element: Box::new(TypeShape::Plain) };
    let fields = |count| TypeShape::Composite { fields: vec![(7, TypeShape::Plain); count] };
    assert!(!is_refused(fields(3), "here_pair"));
    assert!(is_refused(fields(2), "here_pair"));
    assert!(is_refused(fields(4), "here_pair"));
    assert!(is_refused(moods(), "here_pair"));
    assert!(is_refused(fields(3), "here_mood_list"));
    assert!(is_refused(TypeShape::Range(Box::new(moods())), "here_mood_list"));
    assert!(is_refused(TypeShape::Range(Box::new(fields(2))), "here_pair_range"));
    assert!(is_refused(TypeShape::Multirange(Box::new(moods())), "here_pair"));
    assert!(is_refused(moods(), "text"));
    assert!(is_refused(moods(), "text_empty"));
    assert!(!is_refused(moods(), "null"));
}

#[test]
fn tuples_of_another_table_are_refused() {
    let both = vec![("a".to_owned(), TypeShape::Plain), ("b".to_owned(), TypeShape::Plain)];
    let stream = |result: Result<(), CodecError>| matches!(result, Err(CodecError::Stream { .. }));
    let mut tuple = recorded::bytes("here_pair");
    assert!(stream(Rewrite::new(both).rewrite(&mut tuple, 1)));
    assert!(stream(rewrite(TypeShape::Plain, &mut tuple[..9])));
    tuple.push(0);
    assert!(stream(rewrite(TypeShape::Plain, &mut tuple)));
}

/// A value with its structure. Each number of a type is a pair: the one here and the one there.
#[derive(Clone, Debug)]
enum Value {
    Plain(Vec<u8>),
    Array { oids: (u32, u32), sizes: Vec<i32>, elements: Vec<Option<Value>> },
    Composite(Vec<((u32, u32), Option<Value>)>),
    Range { flags: u8, bounds: Vec<Value> },
    Multirange(Vec<Value>),
}

/// The structure that a value is made for.
#[derive(Clone, Debug)]
enum Form {
    Plain,
    Array((u32, u32), Box<Form>),
    Composite(Vec<((u32, u32), Form)>),
    Range(Box<Form>),
    Multirange(Box<Form>),
}

impl Form {
    /// The shape with the numbers of the target.
    fn there(&self) -> TypeShape {
        match self {
            Self::Plain => TypeShape::Plain,
            Self::Array((_, oid), element) => {
                TypeShape::Array { element_oid: *oid, element: Box::new(element.there()) }
            }
            Self::Composite(fields) => TypeShape::Composite {
                fields: fields.iter().map(|((_, oid), form)| (*oid, form.there())).collect(),
            },
            Self::Range(subtype) => TypeShape::Range(Box::new(subtype.there())),
            Self::Multirange(range) => TypeShape::Multirange(Box::new(range.there())),
        }
    }

    fn values(&self) -> BoxedStrategy<Value> {
        match self {
            Self::Plain => vec(any::<u8>(), 0..6).prop_map(Value::Plain).boxed(),
            Self::Array(oids, element) => {
                let (oids, element) = (*oids, element.values());
                vec(0..3_i32, 0..4)
                    .prop_flat_map(move |sizes| {
                        // Without a dimension there is no element, and not one.
                        let count = if sizes.is_empty() { 0 } else { sizes.iter().product() };
                        let count = usize::try_from(count).unwrap();
                        (Just(sizes), vec(option::of(element.clone()), count))
                    })
                    .prop_map(move |(sizes, elements)| Value::Array { oids, sizes, elements })
                    .boxed()
            }
            Self::Composite(fields) => {
                let values: Vec<_> = fields
                    .iter()
                    .map(|(oids, form)| (Just(*oids), option::of(form.values())))
                    .collect();
                values.prop_map(Value::Composite).boxed()
            }
            Self::Range(subtype) => {
                let subtype = subtype.values();
                // Which bounds each set of flags promises, after the server's documentation.
                prop_oneof![Just((1, 0)), Just((2, 2)), Just((6, 2)), Just((8, 1)), Just((0x18, 0))]
                    .prop_flat_map(move |(flags, bounds)| {
                        vec(subtype.clone(), bounds)
                            .prop_map(move |bounds| Value::Range { flags, bounds })
                    })
                    .boxed()
            }
            Self::Multirange(range) => {
                vec(range.values(), 0..3).prop_map(Value::Multirange).boxed()
            }
        }
    }
}

fn forms() -> impl Strategy<Value = Form> {
    let oids = (any::<u32>(), any::<u32>());
    Just(Form::Plain).prop_recursive(4, 12, 3, move |inner| {
        let range = inner.clone().prop_map(|form| Form::Range(Box::new(form)));
        prop_oneof![
            (oids, inner.clone()).prop_map(|(oids, element)| Form::Array(oids, Box::new(element))),
            vec((oids, inner), 0..4).prop_map(Form::Composite),
            range.clone(),
            range.prop_map(|range| Form::Multirange(Box::new(range))),
        ]
    })
}

/// Writes a value as the server would, with the numbers that `pick` takes.
fn write(value: &Value, pick: fn((u32, u32)) -> u32, out: &mut Vec<u8>) {
    let number = |count: usize, out: &mut Vec<u8>| {
        out.extend(i32::try_from(count).unwrap().to_be_bytes());
    };
    let counted = |value: Option<&Value>, out: &mut Vec<u8>| {
        let Some(value) = value else { return out.extend((-1_i32).to_be_bytes()) };
        let mut bytes = Vec::new();
        write(value, pick, &mut bytes);
        number(bytes.len(), out);
        out.extend(bytes);
    };
    match value {
        Value::Plain(bytes) => out.extend(bytes),
        Value::Array { oids, sizes, elements } => {
            number(sizes.len(), out);
            number(usize::from(elements.iter().any(Option::is_none)), out);
            out.extend(pick(*oids).to_be_bytes());
            for size in sizes {
                out.extend(size.to_be_bytes());
                out.extend((-3_i32).to_be_bytes());
            }
            for element in elements {
                counted(element.as_ref(), out);
            }
        }
        Value::Composite(fields) => {
            number(fields.len(), out);
            for (oids, field) in fields {
                out.extend(pick(*oids).to_be_bytes());
                counted(field.as_ref(), out);
            }
        }
        Value::Range { flags, bounds } => {
            out.push(*flags);
            for bound in bounds {
                counted(Some(bound), out);
            }
        }
        Value::Multirange(ranges) => {
            number(ranges.len(), out);
            for range in ranges {
                counted(Some(range), out);
            }
        }
    }
}

fn tuple(value: &Value, pick: fn((u32, u32)) -> u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, pick, &mut bytes);
    let length = i32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&1_i16.to_be_bytes()[..], &length[..], &bytes[..]].concat()
}

proptest! {
    #[test]
    fn nested_values_get_the_targets_numbers_and_nothing_else(
        (form, value) in forms().prop_flat_map(|form| (Just(form.clone()), form.values())),
    ) {
        let mut bytes = tuple(&value, |(here, _)| here);
        rewrite(form.there(), &mut bytes).unwrap();
        prop_assert_eq!(bytes, tuple(&value, |(_, there)| there));
    }

    #[test]
    fn cut_values_are_refused(
        (form, value, cut) in forms().prop_flat_map(|form| {
            (Just(form.clone()), form.values(), any::<prop::sample::Index>())
        }),
    ) {
        let bytes = tuple(&value, |(here, _)| here);
        let shape = form.there();
        // Behind the number of fields and the field's length.
        let mut value = bytes[6..].to_vec();
        prop_assume!(!shape.is_plain() && !value.is_empty());
        value.truncate(cut.index(value.len()));
        let length = i32::try_from(value.len()).unwrap().to_be_bytes();
        let mut bytes = [&bytes[..2], &length[..], &value[..]].concat();
        prop_assert!(rewrite(shape, &mut bytes).is_err());
    }
}

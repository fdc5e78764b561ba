//! What holds for every expression.

use proptest::prelude::*;

use crate::{Expression, Function, Generator, Operator, Pattern, Script, Value, parse};

const GLOBALS: [&str; 3] = ["user_count", "batch_size", "x"];

fn literal() -> impl Strategy<Value = Expression> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..=i64::MAX).prop_map(Value::Int),
        (0.0..1e18).prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
    ]
    .prop_map(Expression::Literal)
}

fn leaf() -> impl Strategy<Value = Expression> {
    prop_oneof![
        literal(),
        proptest::sample::select(&GLOBALS[..]).prop_map(|name| Expression::Global(name.to_owned())),
        (any::<i32>(), any::<u32>()).prop_map(|(least, span)| {
            let (least, span) = (i64::from(least), i64::from(span));
            Expression::Generate(Pattern::Number { least, most: least + span })
        }),
        Just(Expression::Call(Function::Uuid, Vec::new())),
        Just(Expression::Call(Function::Iter, Vec::new())),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let operators = Operator::ALL.map(|(operator, ..)| operator);
    leaf().prop_recursive(5, 40, 4, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let operator = proptest::sample::select(operators.to_vec());
        prop_oneof![
            (operator, boxed.clone(), boxed.clone())
                .prop_map(|(operator, left, right)| Expression::Binary(operator, left, right)),
            boxed.clone().prop_map(Expression::Not),
            boxed.clone().prop_map(Expression::Minus),
            (boxed.clone(), boxed.clone(), boxed.clone())
                .prop_map(|(condition, yes, no)| Expression::Choice(condition, yes, no)),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Expression::List),
            (inner.clone(), inner)
                .prop_map(|(a, b)| Expression::Call(Function::Uniform, vec![a, b])),
        ]
    })
}

fn generator(seed: u64) -> Generator {
    let globals = GLOBALS.map(|name| (name.to_owned(), parse("3 * 4", &[]).unwrap())).to_vec();
    Generator::new(seed, &Script { globals, ..Script::default() }).unwrap()
}

fn arguments(value: Expression) -> Vec<crate::Argument> {
    vec![crate::Argument { name: None, value }]
}

fn evaluated(seed: u64, text: &str) -> Value {
    let expression = parse(text, &GLOBALS).unwrap();
    generator(seed).row(&arguments(expression), 1).unwrap().remove(0)
}

proptest! {
    #[test]
    fn the_text_of_an_expression_is_read_as_the_same(expression in expression()) {
        let text = expression.to_string();
        prop_assert_eq!(parse(&text, &GLOBALS), Ok(expression), "{}", text);
    }

    #[test]
    fn no_text_is_read_with_a_panic(text in any::<String>()) {
        if let Ok(expression) = parse(&text, &GLOBALS) {
            prop_assert_eq!(parse(&expression.to_string(), &GLOBALS), Ok(expression));
        }
    }

    #[test]
    fn nearly_expressions_are_read_without_a_panic(
        text in "[-a-z_0-9'\"\\[\\](){}.,?:!<>=&|+*/% ]{0,40}"
    ) {
        let column = parse(&text, &GLOBALS).map_or_else(|error| error.column, |_| 1);
        prop_assert!((1..=text.chars().count() + 1).contains(&column));
    }

    #[test]
    fn one_seed_gives_one_value(expression in expression(), seed in any::<u64>()) {
        let arguments = arguments(expression);
        let value = |number| generator(seed).row(&arguments, number);
        prop_assert_eq!(value(1), value(1));
    }

    #[test]
    fn arithmetic_is_that_of_whole_numbers(
        a in -1_000_i32..1_000, b in 1_i32..1_000, c in 0_i32..9
    ) {
        let text = format!("{a} + {b} * {c} - ({a} - {c}) % {b}");
        prop_assert_eq!(evaluated(0, &text), Value::Int((a + b * c - (a - c) % b).into()));
        prop_assert_eq!(evaluated(0, &format!("{} / {b}", a * b)), Value::Float(a.into()));
        prop_assert_eq!(evaluated(0, &format!("{a} < {b} && {c} >= 0")), Value::Bool(a < b));
    }

    #[test]
    fn numbers_lie_between_their_bounds(
        low in -99_999_i32..99_999, span in any::<u16>(), seed in any::<u64>()
    ) {
        let high = low + i32::from(span);
        let (least, most) = (f64::from(low) + 0.5, f64::from(high) + 0.5);
        let text = format!("uniform({least}, {most})");
        let Value::Float(number) = evaluated(seed, &text) else { panic!("no float") };
        prop_assert!(number >= least && number <= most, "{} is not in {}", number, text);
        let Value::Int(number) = evaluated(seed, &format!("gen('number:{low},{high}')")) else {
            panic!("no whole number")
        };
        prop_assert!((low.into()..=high.into()).contains(&number));
    }

    #[test]
    fn rows_are_chosen_alike_whatever_order_they_come_in(seed in any::<u64>(), turn in 0_usize..20) {
        let rows: Vec<Vec<Option<String>>> =
            (1..=20).map(|id| vec![Some(id.to_string()), None]).collect();
        let choose = |rows: Vec<Vec<Option<String>>>| {
            let mut generator = generator(seed);
            generator.keep("users", &["id".to_owned(), "note".to_owned()], rows);
            let expression = parse("ref_rand('users').id", &[]).unwrap();
            (0..20).map(|_| generator.row(&arguments(expression.clone()), 1).unwrap()).collect::<Vec<_>>()
        };
        let mut turned = rows.clone();
        turned.rotate_left(turn);
        turned.reverse();
        prop_assert_eq!(choose(rows), choose(turned));
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let check = |text: &str, column: usize, words: &str| {
        let error = parse(text, &GLOBALS).unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    };
    check("uniform(1)", 1, "takes 2 arguments");
    check("1 + unifrom(1, 2)", 5, "no function unifrom");
    check("norm(1, 2, 3, 4)", 1, "not supported yet: norm()");
    check("uuid_v7()", 1, "not supported yet: uuid_v7()");
    check("gen('emial')", 1, "not supported yet: gen(\"emial\")");
    check("gen('number:9,1')", 1, "number:1,100");
    check("user_cuont * 2", 1, "no global user_cuont");
    check("'open", 1, "closing quote");
    check("[1, 2", 6, "\",\"");
    check("1 2", 3, "not expected here");
    check("{'a': 1}", 1, "not supported yet: {");
    check(&"(".repeat(500), 65, "too many brackets");
    assert_eq!(
        parse("user_cuont", &GLOBALS).unwrap_err().next.as_deref(),
        Some("Did you mean user_count?")
    );
}

#[test]
fn functions_do_what_they_say() {
    let check = |text: &str, expected: Value| assert_eq!(evaluated(7, text), expected, "{text}");
    let text = |text: &str| Value::Text(text.to_owned());
    check("seq(5, 3) + seq(5, 3)", Value::Int(5 + 8));
    check("coalesce(nil, nil, 'a')", text("a"));
    check("nil ?? 'a' + 'b'", text("ab"));
    check("cond(1 < 2, 'yes', 'no')", text("yes"));
    check("false ? 1 : true ? 2 : 3", Value::Int(2));
    check("int('42') * 2 + int(7.9)", Value::Int(91));
    check("float('1.5') * 2", Value::Float(3.0));
    check("'n' + string(global('x'))", text("n12"));
    check("nullable('a', 0)", text("a"));
    check("nullable('a', 1)", Value::Null);
    check("set_rand(['a', 'b'], [0, 1])", text("b"));
    check("not (1 == 1.0) or 'a' < 'b'", Value::Bool(true));
    check("-2 - -3", Value::Int(1));
}

#[test]
fn weights_are_kept() {
    let expression = parse("set_rand(['a', 'b', 'c'], [60, 30, 10])", &[]).unwrap();
    let mut generator = generator(1);
    let arguments = arguments(expression);
    let mut counts = std::collections::BTreeMap::new();
    for number in 1..=10_000 {
        let value = generator.row(&arguments, number).unwrap().remove(0);
        *counts.entry(value.to_string()).or_insert(0_u32) += 1;
    }
    // Four standard deviations, of at most 50 each.
    for (value, expected) in [("a", 6_000), ("b", 3_000), ("c", 1_000)] {
        assert!(counts[value].abs_diff(expected) < 200, "{counts:?}");
    }
}

#[test]
fn patterns_are_plain_texts() {
    let mut generator = generator(3);
    for (pattern, least) in [
        ("name", 5),
        ("email", 14),
        ("firstname", 2),
        ("lastname", 2),
        ("username", 5),
        ("phone", 10),
        ("city", 3),
        ("country", 3),
        ("company", 5),
        ("street", 5),
        ("zip", 5),
        ("word", 3),
        ("letter", 1),
        ("uuid", 36),
        ("sentence:3", 8),
    ] {
        let expression = parse(&format!("gen('{pattern}')"), &[]).unwrap();
        for _ in 0..50 {
            let value = generator.row(&arguments(expression.clone()), 1).unwrap().remove(0);
            let Value::Text(text) = value else { panic!("{pattern} is no text") };
            assert!(text.len() >= least, "{pattern}: {text}");
            assert!(!text.contains(['\'', '"', '\\', '\u{1f}']), "{pattern}: {text}");
        }
    }
}

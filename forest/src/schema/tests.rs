use proptest::prelude::*;

use super::*;

fn good() -> Schema {
    Schema {
        features: vec![
            Column::numeric("age", 17.0, 90.0),
            Column::categorical("sex", ["Female", "Male"]),
        ],
        label: Label {
            name: "income".into(),
            positive: ">50K".into(),
        },
    }
}

fn words(schema: &Schema) -> String {
    schema.validate().unwrap_err().to_string()
}

#[test]
fn toml_form_is_the_documented_one() {
    let text = "[[feature]]\nname = \"age\"\ntype = \"numeric\"\nmin = 17\nmax = 90.0\n\n[[feature]]\nname = \"sex\"\n\
                type = \"categorical\"\ncategories = [\"Female\", \"Male\"]\n\n[label]\nname = \"income\"\n\
                positive = \">50K\"\n";
    assert_eq!(Schema::from_toml(text).unwrap(), good());
    assert_eq!(good().to_toml().unwrap(), text.replace("17\n", "17.0\n"));
}

#[test]
fn json_form_is_flat_too() {
    let text = r#"{"feature":[{"name":"age","type":"numeric","min":17.0,"max":90.0},{"name":"sex","type":"categorical","categories":["Female","Male"]}],"label":{"name":"income","positive":">50K"}}"#;
    assert_eq!(serde_json::to_string(&good()).unwrap(), text);
    assert_eq!(serde_json::from_str::<Schema>(text).unwrap(), good());
}

proptest! {
    #[test]
    fn every_form_is_read_back(min in -1e9f64..1e9, width in 0.0f64..1e9, names in proptest::collection::hash_set("\\PC{1,8}", 2..5)) {
        let mut schema = good();
        let mut names = names.into_iter();
        schema.features[0] = Column::numeric(names.next().unwrap(), min, min + width);
        schema.features[1] = Column::categorical("sex ", names);
        let json = serde_json::to_string(&schema).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Schema>(&json).unwrap(), &schema);
        prop_assert_eq!(&Schema::from_toml(&schema.to_toml().unwrap()).unwrap(), &schema);
        let compact = postcard::to_stdvec(&schema).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Schema>(&compact).unwrap(), &schema);
    }
}

#[test]
fn syntax_errors_name_the_key() {
    let base = good().to_toml().unwrap();
    let cases = [
        (
            base.replace("min = 17.0\n", ""),
            "column \"age\" of type numeric needs min and max",
        ),
        (
            base.replace("min = 17.0\n", "min = 17.0\ncategories = [\"a\"]\n"),
            "and no categories",
        ),
        (
            base.replace("categories = [\"Female\", \"Male\"]\n", "min = 1\n"),
            "of type categorical needs categories",
        ),
        (base.replace("min =", "mim ="), "mim"),
        (base.replace("\"numeric\"", "\"number\""), "number"),
        (base.replace("17.0", "\"young\""), "young"),
        (base.replace("[label]", "[lable]"), "lable"),
    ];
    for (text, expected) in cases {
        let error = Schema::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn validation_names_column_seen_and_expected() {
    let with = |change: fn(&mut Schema)| {
        let mut schema = good();
        change(&mut schema);
        words(&schema)
    };
    assert_eq!(good().validate(), Ok(()));
    assert_eq!(
        with(|s| s.features.clear()),
        "schema: expected 1 to 4096 features, found 0"
    );
    assert_eq!(
        with(|s| s.features[1].name.clear()),
        "schema: feature number 2 has an empty name"
    );
    assert_eq!(
        with(|s| s.label.positive.clear()),
        "schema: label.positive is empty"
    );
    assert_eq!(with(|s| s.label.name.clear()), "schema: label.name is empty");
    assert_eq!(
        with(|s| s.features[0].name = "income".into()),
        "schema: column \"income\" is the label, it cannot be a feature too"
    );
    assert_eq!(
        with(|s| s.features[0].name = "sex".into()),
        "schema: column \"sex\" is listed more than once"
    );
    assert_eq!(
        with(|s| s.features[0] = Column::numeric("age", 3.0, 2.0)),
        "schema: column \"age\": expected min <= max with a finite difference, found min 3 and max 2"
    );
    assert_eq!(
        with(|s| s.features[0] = Column::numeric("age", 0.0, f64::INFINITY)),
        "schema: column \"age\": max must be a finite number, found inf"
    );
    assert!(
        with(|s| s.features[0] = Column::numeric("age", -f64::MAX, f64::MAX)).contains("finite difference")
    );
    assert_eq!(
        with(|s| s.features[1] = Column::categorical("sex", Vec::<String>::new())),
        "schema: column \"sex\": expected 1 to 255 categories, found 0"
    );
    assert!(
        with(|s| s.features[1] = Column::categorical("sex", (0..256).map(|i| i.to_string())))
            .contains("found 256")
    );
    assert_eq!(
        with(|s| s.features[1] = Column::categorical("sex", ["a", ""])),
        "schema: column \"sex\": category number 2 is empty; missing values need no category"
    );
    assert_eq!(
        with(|s| s.features[1] = Column::categorical("sex", ["a", "b", "a"])),
        "schema: column \"sex\": category \"a\" is listed more than once"
    );
}

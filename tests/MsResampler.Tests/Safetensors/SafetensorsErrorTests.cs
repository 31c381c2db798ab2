using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsError;

namespace MsResampler.Tests.Safetensors;

/// <summary>One file for each error of a header.</summary>
public class SafetensorsErrorTests
{
    private const string Scalar = """{"dtype":"F32","shape":[],"data_offsets":[0,4]}""";

    private const string NamesTensor = "tensor 'w'";

    private static IEnumerable<TestCaseData> Files()
    {
        yield return Case("No bytes", FileTooShort, [], "at least 8 bytes", "found 0: the file is empty");
        yield return Case("Seven bytes", FileTooShort, [2, 0, 0, 0, 0, 0, 0], "at least 8 bytes", "found 7");
        yield return Case("Header of 100,000,001 bytes", HeaderTooLong,
            [0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, .. "{}"u8],
            "at most 100000000", "100000001");
        yield return Case("Header length with the top bit set", HeaderTooLong, [0, 0, 0, 0, 0, 0, 0, 0x80],
            "9223372036854775808");
        yield return Case("Header of 100,000,000 bytes in a short file", HeaderPastEnd,
            [0x00, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, .. "{}"u8], "header of 100000000 bytes", "found 2");
        yield return Case("Header one byte past the end", HeaderPastEnd, [3, 0, 0, 0, 0, 0, 0, 0, .. "{}"u8],
            "3 bytes", "found 2");
        yield return Case("Header of no bytes", HeaderEmpty, [0, 0, 0, 0, 0, 0, 0, 0],
            "expected a JSON object", "white space");
        yield return Case("Header of spaces", HeaderEmpty, HandWritten.File("   \t\r\n "),
            "expected a JSON object");
        yield return Case("Invalid UTF-8 in a name", NotUtf8, HandWritten.File([.. "{\"w\":1}"u8, 0xff], []),
            "expected UTF-8", "byte 7");
        yield return Case("UTF-8 cut short", NotUtf8, HandWritten.File([.. "{\""u8, 0xe2, 0x82], []),
            "byte 2");
        yield return Case("Overlong UTF-8", NotUtf8,
            HandWritten.File([.. "{\""u8, 0xc0, 0xaf, .. "\":1}"u8], []), "byte 2");
        yield return Case("Half a surrogate pair in a name", NotJson, HandWritten.File("""{"\ud800":1}"""),
            "surrogate", "\\ud800");
        yield return Case("Half a surrogate pair in a field", NotJson,
            HandWritten.File("""{"w":{"dtype\ud800":1}}"""), NamesTensor, "surrogate");
        yield return Case("Half a surrogate pair in a type", NotJson,
            HandWritten.File("""{"w":{"dtype":"\udc00"}}"""), NamesTensor, "surrogate");
        yield return Case("Not JSON", NotJson, HandWritten.File("{hello}"), "expected JSON", "'h'");
        yield return Case("Byte order mark of UTF-16", NotUtf8, HandWritten.File([0xff, 0xfe, .. "{\0}\0"u8], []),
            "expected UTF-8", "UTF-16");
        yield return Case("Byte order mark of UTF-16, big-endian", NotUtf8,
            HandWritten.File([0xfe, 0xff, .. "\0{\0}"u8], []), "expected UTF-8", "UTF-16");
        yield return Case("Byte order mark within the text", NotJson, HandWritten.File("{\ufeff}"), "expected JSON");
        yield return Case("Nothing but a byte order mark", HeaderEmpty, HandWritten.File("\ufeff "), "white space");
        yield return Case("JSON cut short", NotJson, HandWritten.File("""{"w":{"dtype":"F32","""),
            NamesTensor, "expected JSON");
        yield return Case("A second root", NotJson, HandWritten.File("{}{}"), "expected JSON");
        yield return Case("Padding of zero bytes", NotJson, HandWritten.File("{}\0\0"), "expected JSON",
            "0x00");
        yield return Case("Root an array", RootNotObject, HandWritten.File("[]"), "expected a JSON object",
            "found an array");
        yield return Case("Root a number", RootNotObject, HandWritten.File("12"), "found '12'");
        yield return Case("Nesting bomb of arrays", NestedTooDeep,
            HandWritten.File("{\"w\":{\"x\":" + new string('[', 100_000)), NamesTensor, "expected depth 3",
                "more than 32");
        yield return Case("Nesting bomb of objects", NestedTooDeep,
            HandWritten.File("{\"w\":{\"x\":" + string.Concat(Enumerable.Repeat("{\"a\":", 100_000))),
                NamesTensor, "more than 32");
        yield return Case("Entry not an object", EntryNotObject, HandWritten.File("""{"w":[0,4]}"""),
            NamesTensor, "expected an object", "found an array");
        yield return Case("Same name twice", DuplicateTensor,
            HandWritten.File($$"""{"w":{{Scalar}},"w":{{Scalar}}}""", 4), NamesTensor, "once", "twice");
        yield return Case("Same name twice, once escaped", DuplicateTensor,
            HandWritten.File($$"""{"w":{{Scalar}},"\u0077":{{Scalar}}}""", 4), NamesTensor, "twice");
        yield return Case("Same field twice", DuplicateField,
            HandWritten.File("""{"w":{"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,4]}}""", 4),
                NamesTensor, "dtype once");
        yield return Case("Metadata twice", DuplicateField,
            HandWritten.File("""{"__metadata__":{},"__metadata__":{}}"""), "__metadata__ once");
        yield return Case("Metadata key twice", DuplicateField,
            HandWritten.File("""{"__metadata__":{"k":"1","k":"2"}}"""), "'k' once");

        yield return Case("No dtype", MissingField,
            HandWritten.File("""{"w":{"shape":[],"data_offsets":[0,4]}}""", 4), NamesTensor, "no dtype");
        yield return Case("No shape", MissingField,
            HandWritten.File("""{"w":{"dtype":"F32","data_offsets":[0,4]}}""", 4), NamesTensor, "no shape");
        yield return Case("No offsets", MissingField,
            HandWritten.File("""{"w":{"dtype":"F32","shape":[]}}""", 4), NamesTensor, "no data_offsets");

        yield return Case("Unknown dtype", UnknownType, Tensor("\"F31\"", "[]", "[0,4]"), NamesTensor,
            "one of BOOL", "'F31'");
        yield return Case("Dtype in lower case", UnknownType, Tensor("\"f32\"", "[]", "[0,4]"), NamesTensor,
            "'f32'");
        yield return Case("Dtype by its number", UnknownType, Tensor("\"17\"", "[]", "[0,4]"), NamesTensor,
            "'17'");
        yield return Case("Dtype not a string", UnknownType, Tensor("17", "[]", "[0,4]"), NamesTensor,
            "'17'");

        foreach ((string field, Func<string, byte[]> with) in new (string, Func<string, byte[]>)[]
        {
            ("shape", number => Tensor("\"F32\"", $"[1,{number}]", "[0,4]")),
            ("data_offsets", number => Tensor("\"F32\"", "[]", $"[0,{number}]")),
        })
        {
            yield return Case($"{field}: negative", NegativeNumber, with("-4"), NamesTensor, field,
                "from 0 on", "'-4'");
            yield return Case($"{field}: negative zero", NegativeNumber, with("-0"), NamesTensor, field,
                "'-0'");
            yield return Case($"{field}: fraction", FractionalNumber, with("4.5"), NamesTensor, field,
                "'4.5'");
            yield return Case($"{field}: integer with a point", FractionalNumber, with("4.0"), NamesTensor,
                field, "'4.0'");
            yield return Case($"{field}: exponent", FractionalNumber, with("4e0"), NamesTensor, field,
                "'4e0'");
            yield return Case($"{field}: string", NotANumber, with("\"4\""), NamesTensor, field, "an integer",
                "the string '4'");
            yield return Case($"{field}: null", NotANumber, with("null"), NamesTensor, field, "'null'");
            yield return Case($"{field}: nested array", NotANumber, with("[4]"), NamesTensor, field,
                "an array");
            yield return Case($"{field}: 2^63", NumberTooLarge, with("9223372036854775808"), NamesTensor,
                field, "below 2^63", "'9223372036854775808'");
            yield return Case($"{field}: 200 digits", NumberTooLarge, with(new string('9', 200)), NamesTensor,
                field, "below 2^63", "…");
        }

        yield return Case("Shape not an array", NotANumber, Tensor("\"F32\"", "4", "[0,4]"), NamesTensor,
            "shape", "an array", "'4'");
        yield return Case("Offsets not an array", NotANumber, Tensor("\"F32\"", "[]", "{}"), NamesTensor,
            "data_offsets", "an object");
        yield return Case("No offset in the array", OffsetCount, Tensor("\"F32\"", "[]", "[]"), NamesTensor,
            "expected 2", "found 0");
        yield return Case("One offset", OffsetCount, Tensor("\"F32\"", "[]", "[0]"), NamesTensor,
            "expected 2", "found 1");
        yield return Case("Three offsets", OffsetCount, Tensor("\"F32\"", "[]", "[0,4,8]"), NamesTensor,
            "expected 2", "found 3");
        yield return Case("End before start", EndBeforeStart, Tensor("\"F32\"", "[]", "[4,0]"), NamesTensor,
            "at or after", "[4, 0]");
        yield return Case("Too few bytes for the shape", SizeMismatch, Tensor("\"F32\"", "[2]", "[0,4]"),
            NamesTensor, "expected 8 bytes for F32 [2]", "found 4");
        yield return Case("Too many bytes for the type", SizeMismatch, Tensor("\"F16\"", "[]", "[0,4]"),
            NamesTensor, "expected 2 bytes for F16 []", "found 4");
        yield return Case("Product of extents above 63 bits", SizeOverflow,
            Tensor("\"U8\"", "[4294967296,4294967296]", "[0,0]"), NamesTensor, "2^63",
                "[4294967296, 4294967296]");
        yield return Case("Product of extents in the 64th bit", SizeOverflow,
            Tensor("\"U8\"", "[4294967296,2147483648]", "[0,0]"), NamesTensor, "2^63");
        yield return Case("Product above 63 bits before a zero", SizeOverflow,
            Tensor("\"U8\"", "[4294967296,2147483648,0]", "[0,0]"), NamesTensor, "2^63");
        yield return Case("Product with the type above 63 bits", SizeOverflow,
            Tensor("\"F64\"", "[2305843009213693952]", "[0,0]"), NamesTensor, "F64");
        yield return Case("Bits exactly 2^63, of 64 each", SizeOverflow,
            Tensor("\"F64\"", "[144115188075855872]", "[0,1152921504606846976]"), NamesTensor, "2^63",
            "F64 [144115188075855872]");
        yield return Case("Bits exactly 2^63, of 8 each", SizeOverflow,
            Tensor("\"U8\"", "[1152921504606846976]", "[0,1152921504606846976]"), NamesTensor, "2^63");
        yield return Case("Bits of the last size below 2^63", DataTooShort,
            Tensor("\"F64\"", "[144115188075855871]", "[0,1152921504606846968]"), "expected 1152921504606846968 bytes");
        yield return Case("Half a byte", PartialByte, Tensor("\"F4\"", "[3]", "[0,1]"), NamesTensor,
            "whole bytes", "F4 [3] of 4 bits");

        yield return Case("First offset not zero", FirstOffsetNotZero, Tensor("\"F32\"", "[]", "[4,8]", 8),
            NamesTensor, "offset 0", "found 4");
        yield return Case("Hole", Hole,
            HandWritten.File($$$"""{"v":{{{Scalar}}},"w":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}""",
            8),
            NamesTensor, "offset 4", "'v' ends", "found 5");
        yield return Case("Overlap", Overlap,
            HandWritten.File($$"""{"w":{"dtype":"U8","shape":[5],"data_offsets":[3,8]},"v":{{Scalar}}}""", 8),
            NamesTensor, "offset 4", "'v' ends", "found 3");
        yield return Case("Two tensors on the same bytes", Overlap,
            HandWritten.File($$"""{"v":{{Scalar}},"w":{{Scalar}}}""", 4), "offset 4", "found 0");
        yield return Case("Empty tensor within another", Overlap,
            HandWritten.File($$$"""{"v":{{{Scalar}}},"w":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}""",
                4), NamesTensor, "found 2");
        yield return Case("Data one byte short", DataTooShort, Tensor("\"F32\"", "[]", "[0,4]", 3),
            NamesTensor, "expected 4 bytes", "found 3");
        yield return Case("Data ends at 2^63", DataTooShort,
            Tensor("\"U8\"", "[1152921504606846975]", "[0,1152921504606846975]"), NamesTensor, "found 4");
        yield return Case("Data one byte long", DataTooLong, Tensor("\"F32\"", "[]", "[0,4]", 5), NamesTensor,
            "expected 4 bytes", "found 5");
        yield return Case("Data without a tensor", DataTooLong, HandWritten.File("{}", 1), "expected 0 bytes",
            "found 1");

        yield return Case("Metadata not an object", MetadataNotStrings,
            HandWritten.File("""{"__metadata__":"pt"}"""), "__metadata__", "'pt'");
        yield return Case("Metadata with a number", MetadataNotStrings,
            HandWritten.File("""{"__metadata__":{"k":1}}"""), "'k'", "expected a string", "'1'");
        yield return Case("Metadata with an object", MetadataNotStrings,
            HandWritten.File("""{"__metadata__":{"k":{}}}"""), "'k'", "an object");
    }

    [TestCaseSource(nameof(Files))]
    public void A_wrong_header_is_rejected(SafetensorsError error, byte[] bytes, string[] messageParts)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("bad.safetensors");
        File.WriteAllBytes(path, bytes);

        SafetensorsException exception =
            Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(path))!;
        Assert.That(exception.Error, Is.EqualTo(error), exception.Message);
        Assert.That(exception.SourcePath, Is.EqualTo(path));
        Assert.That(exception.Message, Does.StartWith(path + ": "));
        foreach (string part in messageParts)
            Assert.That(exception.Message, Does.Contain(part));

        // The same bytes in memory are the same error.
        SafetensorsException inMemory = Assert.Throws<SafetensorsException>(() => SafetensorsCheckpoint.Open(
            CheckpointBytes.Of(bytes)))!;
        Assert.That(inMemory.Error, Is.EqualTo(error), inMemory.Message);
        Assert.That(inMemory.Message, Is.EqualTo("the checkpoint in memory" + exception.Message[path.Length..]));
    }

    [TestCase(0, 0, ExpectedResult = 0)]
    [TestCase(0, 7, ExpectedResult = 7)]
    [TestCase(0, 8, ExpectedResult = 8)]
    [TestCase(2, 100, ExpectedResult = 10)]
    [TestCase(93, 100, ExpectedResult = 100)]
    [TestCase(100_000_000, 1L << 40, ExpectedResult = 100_000_008)]
    [TestCase(100_000_001, 1L << 40, ExpectedResult = 8)]
    [TestCase(-1, 1L << 40, ExpectedResult = 8)]
    [TestCase(long.MinValue, 1L << 40, ExpectedResult = 8)]
    public int No_more_is_read_than_the_limits_allow(long headerBytes, long fileBytes)
        => SafetensorsHeader.StartBytes(BitConverter.GetBytes(headerBytes).AsSpan(0, (int)Math.Min(8, fileBytes)),
            fileBytes);

    [Test]
    public void The_nesting_depth_is_limited_exactly([Values(30, 31)] int depth)
    {
        // 32 levels in total are allowed: the root, the entry, and the arrays within it.
        string json = $$$"""{"w":{"x":{{{new string('[', depth)}}}{{{new string(']', depth)}}}}}""";
        byte[] bytes = HandWritten.File(json);

        SafetensorsException error = Assert.Throws<SafetensorsException>(
            () => SafetensorsHeader.Parse(bytes, bytes.Length, "file"))!;

        Assert.That(error.Error, Is.EqualTo(depth == 30 ? MissingField : NestedTooDeep), error.Message);
    }

    [Test]
    public void Messages_contain_no_control_characters_and_no_long_names()
    {
        byte[] bytes = HandWritten.File($$"""{"\u001b[2J\n{{new string('x', 100_000)}}":0}""");
        SafetensorsException exception = Assert.Throws<SafetensorsException>(
            () => SafetensorsHeader.Parse(bytes, bytes.Length, "file"))!;
        Assert.That(exception.Message.Any(char.IsControl), Is.False);
        Assert.That(exception.Message, Does.Contain("\\u001b[2J\\u000a").And.Length.LessThan(400));
    }

    private static TestCaseData Case(string name, SafetensorsError error, byte[] bytes,
        params string[] messageParts) =>
        new TestCaseData(error, bytes, messageParts).SetName(name);

    private static byte[] Tensor(string type, string shape, string offsets, int dataBytes = 4) =>
        HandWritten.File($$$"""{"w":{"dtype":{{{type}}},"shape":{{{shape}}},"data_offsets":{{{offsets}}}}}""",
            dataBytes);
}

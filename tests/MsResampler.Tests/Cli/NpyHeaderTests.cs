using MsResampler.Cli.Input;

namespace MsResampler.Tests.Cli;

internal sealed class NpyHeaderTests : CliFixture
{
    private const string Good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }";

    private static readonly TestCaseData<string, int, long[]>[] s_good =
    [
        new(Good + "   \n", 4, [2, 3, 4]),
        new("{\"shape\":(2,3,4),\"fortran_order\":False,\"descr\":\"<f2\"}", 2, [2, 3, 4]),
        new("{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}\n", 4, [5]),
        new("{'descr': '<f4', 'fortran_order': False, 'shape': ()}\n", 4, []),
        new("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 0)}\n", 4,
            [long.MaxValue, 0]),
    ];

    private static readonly TestCaseData<string, string>[] s_bad =
    [
        new("", "expected '{', found the end"),
        new("[]", "expected '{'"),
        new("{", "expected a quoted string"),
        new("{'descr", "a closed string"),
        new("{'descr' '<f4'}", "expected ':'"),
        new("{}", "lacks one of"),
        new("{'descr': '<f4', 'fortran_order': False}", "lacks one of"),
        new("{'descr': '<f4', 'shape': (1,)}", "lacks one of"),
        new("{'fortran_order': False, 'shape': (1,)}", "lacks one of"),
        new("{'descr': '<f4', 'descr': '<f4'}", "repeated or unknown key 'descr'"),
        new("{'colour': 1}", "repeated or unknown key 'colour'"),
        new("{'descr': '>f4'}", "'>f4'"),
        new("{'descr': '<f8'}", "astype"),
        new("{'descr': '<i4'}", "'<i4'"),
        new("{'descr': [('x', '<f4')]}", "structured"),
        new("{'descr': 4}", "a quoted string"),
        new("{'fortran_order': 0}", "True or False"),
        new("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 4)}", "ascontiguousarray"),
        new("{'shape': 3}", "expected '('"),
        new("{'shape': (3)}", "a comma"),
        new("{'shape': (3, -1)}", "an extent"),
        new("{'shape': (3, 1.5)}", "expected ')'"),
        new("{'shape': (3L,)}", "a comma"),
        new("{'shape': (3, , 4)}", "an extent"),
        new("{'shape': (99999999999999999999,)}", "an extent"),
        new("{'shape': (3, 4", "expected ')'"),
        new(Good + "x", "expected the end of the header, found 'x'"),
        new(Good + Good, "expected the end of the header"),
    ];

    [TestCaseSource(nameof(s_good))]
    public void A_valid_header_is_read(string header, int elementBytes, long[] shape)
    {
        byte[] bytes = NpyBytes(header);
        NpyHeader parsed = NpyHeader.Parse(bytes);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(parsed.ElementBytes, Is.EqualTo(elementBytes));
            Assert.That(parsed.Shape, Is.EqualTo(shape));
            Assert.That(parsed.DataOffset, Is.EqualTo(bytes.Length));
        }
    }

    [TestCaseSource(nameof(s_bad))]
    public void A_bad_header_is_an_error_with_the_reason(string header, string cause)
        => Assert.That(() => NpyHeader.Parse(NpyBytes(header)),
            Throws.TypeOf<FormatException>().With.Message.Contains(cause));

    [Test]
    public void Every_truncated_header_is_an_error()
    {
        byte[] bytes = NpyBytes(Good);
        for (int length = 0; length < bytes.Length; length++)
            Assert.That(() => NpyHeader.Parse(bytes.AsSpan(0, length)), Throws.TypeOf<FormatException>(),
                $"{length} bytes");
    }

    [Test]
    public void Versions_2_and_3_have_longer_length_fields()
    {
        byte[] header = NpyBytes(Good)[10..];
        byte[] Versioned(byte major, byte minor)
            => [0x93, .. "NUMPY"u8, major, minor, .. BitConverter.GetBytes((uint)header.Length), .. header];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(NpyHeader.Parse(Versioned(2, 0)).DataOffset, Is.EqualTo(12 + header.Length));
            Assert.That(NpyHeader.Parse(Versioned(3, 0)).Shape, Is.EqualTo(new long[] { 2, 3, 4 }));
            Assert.That(() => NpyHeader.Parse(Versioned(4, 0)),
                Throws.TypeOf<FormatException>().With.Message.Contains("4.0"));
            Assert.That(() => NpyHeader.Parse(Versioned(1, 1)),
                Throws.TypeOf<FormatException>().With.Message.Contains("1.1"));
        }
    }

    [Test]
    public void A_header_that_claims_gigabytes_is_rejected_unread()
        => Assert.That(() => NpyHeader.Parse([0x93, .. "NUMPY"u8, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
            Throws.TypeOf<FormatException>().With.Message.Contains("4294967295"));
}

using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Names, types and shapes of tensors.</summary>
internal sealed class DeclarationTests : InputsFixture
{
    [Test]
    public void AnUnknownInputNamesTheKnownOnes()
        => IsWrong(() => Inputs.Declare("Features", "FP32", [1, 3]), "input 'Features'",
            "'features', 'grids', 'groups', 'temporal_ids' or 'image'");

    [Test]
    public void ALongNameIsShortenedInTheMessage()
    {
        ServerException exception = Assert.Throws<ServerException>(
            () => Inputs.Declare(new string('x', 10000), "FP32", [1, 3]));
        Assert.That(exception.Message, Has.Length.LessThan(300).And.Contains("(10000 characters)"));
    }

    [Test]
    public void AnInputThatAppearsTwiceIsAnError()
    {
        AddIntegers("grids", 1, 1);
        IsWrong(() => Inputs.Declare("grids", "INT32", [1, 2]), "input 'grids'", "twice");
    }

    [TestCase("features", "FP64", "'FP32', 'FP16' or 'BF16'")]
    [TestCase("features", "fp32", "'FP32', 'FP16' or 'BF16'")]
    [TestCase("features", "INT32", "'FP32', 'FP16' or 'BF16'")]
    [TestCase("grids", "INT64", "'INT32'")]
    [TestCase("image", "UINT8", "'BYTES'")]
    public void AWrongTypeIsAnError(string name, string datatype, string expected)
        => IsWrong(() => Inputs.Declare(name, datatype, [1, 3]), $"input '{name}'", expected, $"found '{datatype}'");

    [TestCase("features", "FP32", new long[] { 3 }, "[-1, 3]", "found [3]")]
    [TestCase("features", "FP32", new long[] { }, "[-1, 3]", "found []")]
    [TestCase("features", "FP32", new long[] { 2, 4 }, "[-1, 3]", "found [2, 4]")]
    [TestCase("features", "FP32", new long[] { -1, 3 }, "[-1, 3]", "found [-1, 3]")]
    [TestCase("features", "FP32", new long[] { 1, 2, 3 }, "[-1, 3]", "found [1, 2, 3]")]
    [TestCase("features", "FP32", new long[] { 0, 3 }, "at least one row", "[0, 3]")]
    [TestCase("features", "FP32", new long[] { long.MinValue, 3 }, "[-1, 3]", "-9223372036854775808")]
    [TestCase("grids", "INT32", new long[] { 2 }, "[-1, 2]", "found [2]")]
    [TestCase("image", "BYTES", new long[] { 1, 1 }, "[-1]", "found [1, 1]")]
    public void AWrongShapeIsAnError(string name, string datatype, long[] extents, string expected, string found)
        => IsWrong(() => Inputs.Declare(name, datatype, extents), $"input '{name}'", expected, found);

    [TestCase("features", "FP32", new long[] { long.MaxValue, 3 })]
    [TestCase("features", "FP16", new long[] { 1L << 62, 3 })]
    [TestCase("features", "FP32", new long[] { 6148914691236517206, 3 }, Description = "3n is 2 modulo 2^64")]
    [TestCase("features", "FP32", new long[] { 174764, 3 }, Description = "2 bytes a value exceed 1 MiB")]
    [TestCase("grids", "INT32", new long[] { 11, 2 })]
    [TestCase("groups", "INT32", new long[] { 1L << 62 })]
    [TestCase("image", "BYTES", new long[] { 11 })]
    public void ATooLargeShapeIsAnErrorOfItsKind(string name, string datatype, long[] extents)
        => Fails(ErrorKind.TooLarge, () => Inputs.Declare(name, datatype, extents), $"input '{name}'",
            extents[0].ToString());

    [Test]
    public void ADeclaredShapeReservesNothingBeforeItsValuesArrive()
    {
        Inputs.Declare("features", "FP32", [100_000, 3]);
        Assert.That(Budget.Used, Is.Zero);
    }

    [Test]
    public void ValuesOfAnotherTypeAreAnError()
    {
        IsWrong(() => Inputs.Declare("grids", "INT32", [1, 2]).Append([1f]), "input 'grids'", "INT32", "FP32");
        IsWrong(() => Inputs.Declare("features", "FP32", [1, 3]).Append([1]), "input 'features'", "FP32", "INT32");
        IsWrong(() => Inputs.Declare("image", "BYTES", [1]).Append([1]), "input 'image'", "BYTES", "INT32");
    }

    [Test]
    public void TypedValuesOf16BitsAreAnErrorThatSaysWhatToDo([Values("FP16", "BF16")] string datatype)
        => IsWrong(() => Inputs.Declare("features", datatype, [1, 3]).Append([1f]), datatype, "binary data", "FP32");

    [Test]
    public void TooManyValuesAreAnError()
    {
        IsWrong(() => Inputs.Declare("features", "FP32", [1, 3]).Append(new float[4]), "3 values ([1, 3])", "more");
        IsWrong(() => Inputs.Declare("grids", "INT32", [1, 2]).Append(new int[3]), "2 values ([1, 2])", "more");
    }

    [Test]
    public void TooFewValuesAreAnError()
    {
        Inputs.Declare("features", "FP32", [1, 3]).Append([1f, 2f]);
        IsWrong(() => Build(), "input 'features'", "3 values ([1, 3])", "found 2");
    }
}

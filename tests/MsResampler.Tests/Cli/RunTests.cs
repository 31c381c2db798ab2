using System.Runtime.InteropServices;
using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Tests.Cli;

internal sealed class RunTests : CliFixture
{
    private static readonly TestCaseData<long[], string>[] s_badShapes =
    [
        new([], "[H,W,C]"),
        new([2, 12], "[2,12]"),
        new([1, 1, 1, 1, 12], "[1,1,1,1,12]"),
        new([0, 3, 12], "empty"),
        new([2, 0, 3, 12], "empty"),
        new([2, 3, 13], "13 channels"),
    ];

    [Test]
    public void A_batch_has_the_tokens_of_its_images_one_by_one()
    {
        float[] values = Values(2 * 3 * 4 * ChannelCount, 1);
        string batch = WriteFeatures("batch.safetensors", ("features", [2, 3, 4, ChannelCount], values));
        string second = WriteFeatures("second.safetensors",
            ("features", [3, 4, ChannelCount], values[(3 * 4 * ChannelCount)..]));
        float[] tokens = Tokens(batch, out long[] shape);
        float[] alone = Tokens(second, out long[] aloneShape);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(shape, Is.EqualTo(new long[] { 2, QueryCount, TokenSize }));
            Assert.That(aloneShape, Is.EqualTo(new long[] { 1, QueryCount, TokenSize }));
            Assert.That(tokens[(QueryCount * TokenSize)..], Is.EqualTo(alone));
            Assert.That(tokens, Has.None.NaN);
        }
    }

    [Test]
    public void Numbered_features_have_separate_grids_and_numeric_order()
    {
        PatchGrid[] grids = [.. Enumerable.Range(0, 12)
            .Select(index => new PatchGrid(1 + (index % 3), 1 + (index % 5)))];
        float[][] features = [.. grids
            .Select((grid, index) => Values((int)grid.PatchCount * ChannelCount, index))];
        string ragged = WriteFeatures("ragged.safetensors", [.. grids.Select((grid, index) =>
            ($"features.{index}", new long[] { 1, grid.Rows, grid.Columns, ChannelCount }, features[index]))]);
        float[] tokens = Tokens(ragged, out long[] shape);
        Assert.That(shape, Is.EqualTo(new long[] { 12, QueryCount, TokenSize }));

        using Resampler resampler = Resampler.Load(Model);
        float[] expected = new float[tokens.Length];
        resampler.Resample(features.SelectMany(values => values).ToArray(), grids, expected);
        Assert.That(tokens, Is.EqualTo(expected));
    }

    [Test]
    public void Npy_features_and_tokens_equal_safetensors([Values("<f4", "<f2")] string type)
    {
        // Values that are exact in float16.
        float[] values = [.. Values(2 * 2 * 3 * ChannelCount, 2).Select(value => (float)(Half)value)];
        byte[] bytes = type == "<f4"
            ? MemoryMarshal.AsBytes<float>(values).ToArray()
            : MemoryMarshal.AsBytes<Half>(values.Select(value => (Half)value).ToArray()).ToArray();
        string npy = WriteNpy("in.npy",
            $"{{'descr': '{type}', 'fortran_order': False, 'shape': (2, 2, 3, {ChannelCount}), }}", bytes);
        string safetensors = WriteFeatures("in.safetensors", ("features", [2, 2, 3, ChannelCount], values));
        CliRun.Of("run", "--model", Model, "--features", npy, "--out", In("out.npy")).Succeeds();

        byte[] output = File.ReadAllBytes(In("out.npy"));
        MsResampler.Cli.Input.NpyHeader header = MsResampler.Cli.Input.NpyHeader.Parse(output);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(header.Shape, Is.EqualTo(new long[] { 2, QueryCount, TokenSize }));
            Assert.That(header.DataOffset % 64, Is.Zero);
            Assert.That(MemoryMarshal.Cast<byte, float>(output.AsSpan((int)header.DataOffset)).ToArray(),
                Is.EqualTo(Tokens(safetensors, out _)));
        }
    }

    [Test]
    public void The_token_file_equals_that_of_the_library()
    {
        string input = WriteFeatures("plain.safetensors",
            ("features", [2, 1, ChannelCount], Values(2 * ChannelCount, 3)));
        float[] tokens = Tokens(input, out long[] shape);
        SafetensorsWriter.Write(In("expected.safetensors"),
            [new TensorToWrite("tokens", TensorType.F32, shape, tokens)]);
        Assert.That(File.ReadAllBytes(In("plain.safetensors.tokens.safetensors")),
            Is.EqualTo(File.ReadAllBytes(In("expected.safetensors"))));
    }

    [Test]
    public void The_backends_agree()
    {
        string input = WriteFeatures("agree.safetensors",
            ("features", [5, 7, ChannelCount], Values(35 * ChannelCount, 4)));
        float[] cpu = Tokens(input, out _, "--backend", "cpu", "--threads", "1");
        float[] reference = Tokens(input, out _, "--backend", "reference");
        // 3e-6 relative to the norm of the vector; a single value may have the whole error.
        double norm = Math.Sqrt(reference.Sum(value => (double)value * value));
        Assert.That(cpu, Is.EqualTo(reference).Within(3e-6 * norm));
    }

    [TestCaseSource(nameof(s_badShapes))]
    public void A_wrong_shape_is_an_error(long[] shape, string cause)
    {
        float[] values = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
        string safetensors = WriteFeatures("shape.safetensors", ("features", shape, values));
        Run(safetensors).FailsNaming("shape.safetensors", cause);
        string npy = WriteNpy("shape.npy", shape, values);
        Run(npy).FailsNaming("shape.npy");
    }

    [Test]
    public void Numbered_features_are_checked()
    {
        (string, long[], float[]) Tensor(string name, params long[] shape)
            => (name, shape, new float[shape.Aggregate(1L, (product, extent) => product * extent)]);

        (string Cause, (string, long[], float[])[] Tensors)[] cases =
        [
            ("found no tensors", []),
            ("found 'pixels'", [Tensor("pixels", 2, 2, 12)]),
            ("'features.1' is missing", [Tensor("features.0", 2, 2, 12), Tensor("features.2", 2, 2, 12)]),
            ("'features.0' is missing", [Tensor("features.1", 2, 2, 12)]),
            ("tensor 'features.01'", [Tensor("features.0", 2, 2, 12), Tensor("features.01", 2, 2, 12)]),
            ("tensor 'features.x'", [Tensor("features.x", 2, 2, 12)]),
            ("both 'features' and", [Tensor("features", 2, 2, 12), Tensor("features.0", 2, 2, 12)]),
            ("tensor 'features.1'", [Tensor("features.0", 2, 2, 12), Tensor("features.1", 2, 2, 2, 12)]),
            ("'features.1' has 11", [Tensor("features.0", 2, 2, 12), Tensor("features.1", 2, 2, 11)]),
        ];
        foreach ((string cause, (string, long[], float[])[] tensors) in cases)
            Run(WriteFeatures("numbered.safetensors", tensors)).FailsNaming("numbered.safetensors", cause);
    }

    [Test]
    public void A_npy_file_of_the_wrong_length_is_an_error([Values(-1, 1)] int extra)
    {
        byte[] data = new byte[(2 * 2 * ChannelCount * sizeof(float)) + extra];
        string path = WriteNpy("length.npy",
            $"{{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, {ChannelCount}), }}", data);
        Run(path).FailsNaming("length.npy", "bytes by its header");
    }

    [Test]
    public void A_shape_whose_size_overflows_is_an_error()
        => Run(WriteNpy("overflow.npy",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", []))
            .FailsNaming("overflow.npy", "too large");

    [TestCase(float.NaN, "NaN")]
    [TestCase(float.NegativeInfinity, "-Infinity")]
    public void A_non_finite_feature_is_named_by_file_image_and_position(float value, string text)
    {
        // 70 images: more than fit in memory at once.
        float[] values = Values(70 * 2 * 3 * ChannelCount, 5);
        values[(68 * 6 * ChannelCount) + (((1 * 3) + 2) * ChannelCount) + 7] = value;
        string path = WriteFeatures("nan.safetensors", ("features", [70, 2, 3, ChannelCount], values));
        Run(path).FailsNaming("nan.safetensors", "image 68", "row 1, column 2, channel 7", text);
        Assert.That(File.Exists(path + ".tokens.safetensors"), Is.False);
        Assert.That(TemporaryFiles(), Is.Empty);
    }

    [Test]
    public void An_overflowing_image_is_named_by_file_and_image()
    {
        float[] values = Values(70 * 2 * 3 * ChannelCount, 5);
        foreach (ref float value in values.AsSpan(68 * 6 * ChannelCount, 6 * ChannelCount))
            value = value < 0 ? -3e38f : 3e38f;
        string path = WriteFeatures("large.safetensors", ("features", [70, 2, 3, ChannelCount], values));
        Run(path).FailsNaming("large.safetensors", "image 68", "float32", "scale the features");
        Assert.That(File.Exists(path + ".tokens.safetensors"), Is.False);
        Assert.That(TemporaryFiles(), Is.Empty);
    }

    [Test]
    public void A_cancelled_run_leaves_only_the_old_file()
    {
        string path = WriteFeatures("cancel.safetensors",
            ("features", [2, 2, ChannelCount], Values(4 * ChannelCount, 6)));
        File.WriteAllText(In("cancel.npy"), "old");
        CliRun run = CliRun.Of(new CancellationToken(canceled: true), "run", "--model", Model, "--features",
            path, "--out", In("cancel.npy"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(130));
            Assert.That(run.Error, Is.EqualTo("error: interrupted; no incomplete files remain\n"));
            Assert.That(File.ReadAllText(In("cancel.npy")), Is.EqualTo("old"));
            Assert.That(TemporaryFiles(), Is.Empty);
        }
    }

    [Test]
    public void An_unwritable_output_is_an_error_before_any_work()
    {
        string path = WriteFeatures("output.safetensors",
            ("features", [2, 2, ChannelCount], Values(4 * ChannelCount, 7)));
        CliRun.Of("run", "--model", Model, "--features", path, "--out",
            In("none/out.npy"))
            .FailsNaming("none", "does not exist");
        Directory.CreateDirectory(In("folder.npy"));
        CliRun.Of("run", "--model", Model, "--features", path, "--out",
            In("folder.npy"))
            .FailsNaming("folder.npy", "folder");
        CliRun.Of("run", "--model", Model, "--features", path, "--out", In("o.npy"), "--maps",
            path)
            .FailsNaming("--maps");
    }

    [Test]
    public void Many_images_report_progress_in_plain_lines()
    {
        string path = WriteFeatures("many.safetensors",
            ("features", [150, 1, 1, ChannelCount], Values(150 * ChannelCount, 8)));
        string output = Run(path).Succeeds().Output;
        Assert.That(output, Does.Match(@"^images: 64 of 150, [\d,.]+/s, \d+ s left\n" +
            @"images: 128 of 150, [\d,.]+/s, \d+ s left\nimages: 150 of 150, [\d,.]+/s\n" +
            "150 images of 1x1 patches -> "));
    }

    [Test]
    public void Maps_are_pictures_named_after_the_image_and_the_scopes()
    {
        string picture = WritePicture("photo.png", 30, 20,
            (x, y) => new SKColor((byte)(8 * x), (byte)(12 * y), 90));
        CliRun.Of("run", "--model", Model, "--image", picture, "--patch", "2", "--size", "8x12", "--out",
            In("photo.npy"),
            "--maps", In("maps")).Succeeds();
        string[] names = [.. Directory.GetFiles(In("maps"))
            .Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        Assert.That(names, Is.EqualTo(new[]
            { "photo-gate.png", "photo-look-0-local.png", "photo-look-1-soft.png",
                "photo-look-2-wide.png" }));
        foreach (string name in names)
        {
            using SKBitmap map = SKBitmap.Decode(Path.Combine(In("maps"), name));
            Assert.That(map.Pixels.Distinct().Count(), Is.GreaterThan(50), name);
        }
    }

    [Test]
    public void Maps_of_several_images_do_not_overwrite_each_other()
    {
        string path = WriteFeatures("two.safetensors",
            ("features", [2, 2, 3, ChannelCount], Values(12 * ChannelCount, 9)));
        CliRun.Of("run", "--model", Model, "--features", path, "--out", In("two.npy"), "--maps",
            In("two-maps")).Succeeds();
        Assert.That(Directory.GetFiles(In("two-maps")), Has.Length.EqualTo(8));
    }

    private CliRun Run(string features, params string[] more)
        => CliRun.Of(["run", "--model", Model, "--features", features, "--out",
            features + ".tokens.safetensors", .. more]);

    private float[] Tokens(string features, out long[] shape, params string[] more)
    {
        Run(features, more).Succeeds();
        return ReadTokens(features + ".tokens.safetensors", out shape);
    }
}

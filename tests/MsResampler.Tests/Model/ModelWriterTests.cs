using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Models of every layout, written again as model folders.</summary>
internal sealed class ModelWriterTests : TemporaryFolderFixture
{
    private static readonly PatchGrid s_grid = new(4, 3);

    [Test]
    public void Tokens_keep_their_bits_in_the_type_of_the_source([Range(0, 59)] int index)
    {
        RandomCase random = new(index);
        using TestModel original = new(random.Config, random.Options, seed: (ulong)index);
        ModelWriter.Write(Folder.Path, original.Model);
        AssertSame(original, random.Options.Type);
    }

    [TestCase(TensorType.F16, WeightType.Float16, WeightType.Float32)]
    [TestCase(TensorType.F16, WeightType.Float16, WeightType.Float64)]
    [TestCase(TensorType.BF16, WeightType.BFloat16, WeightType.Float32)]
    [TestCase(TensorType.F32, WeightType.Float32, WeightType.Float64)]
    public void A_wider_type_and_back_is_exact(TensorType stored, WeightType type, WeightType wider)
    {
        using TestModel original = new(Configs.Mixed, new RandomModelOptions { Type = stored });
        string wide = Folder.File("wide");
        ModelWriter.Write(wide, original.Model, wider);
        using (ResamplerModel model = ResamplerModel.Open(wide))
            ModelWriter.Write(Folder.Path, model, type);
        AssertSame(original, stored);
    }

    [Test]
    public void Weights_are_rounded_once([Values(TensorType.F32, TensorType.F64)] TensorType stored,
        [Values(TensorType.F16, TensorType.BF16, TensorType.F32)] TensorType type)
    {
        double[] values = stored == TensorType.F32 ? [1, 1 + 1 / 2048f, 1 + 3 / 2048f, 1e-7f, 1 / 3f, -0f, 65519]
            : [1, 1 + 1 / 2048d + 1e-12, 1 + 1 / 2048d - 1e-12, 1 + 1 / 256d + 1e-14, 1 + 1 / 256d - 1e-14, 1 / 3d,
                1 + Math.ScaleB(1, -24) + 1e-12, 65519.999];
        WeightType weightType = type switch
        {
            TensorType.F16 => WeightType.Float16,
            TensorType.BF16 => WeightType.BFloat16,
            _ => WeightType.Float32,
        };
        ResamplerConfig config = BoundWeights.SingleConfig;
        List<TensorToWrite> tensors = [.. BoundWeights.Tensors(config).Where(tensor => tensor.Name != "query"),
            TensorToWrite.FromBytes("query", stored, [6, 24], Bytes(stored, values))];
        double[] found = BoundWeights.Open(config, tensors, model =>
        {
            ModelWriter.Write(Folder.Path, model, weightType);
            using ResamplerModel written = ResamplerModel.Open(Folder.Path);
            return written.Weights.Scopes[0].Queries.ToDouble();
        });
        Assert.That(found.Take(values.Length), Is.EqualTo(values.Select(value => type switch
        {
            TensorType.F16 => (double)(Half)value,
            TensorType.BF16 => Brain(value),
            _ => (float)value,
        })));

        static byte[] Bytes(TensorType type, double[] values)
        {
            double[] all = [.. values, .. new double[144 - values.Length]];
            return [.. all.SelectMany(value => type == TensorType.F64
                ? BitConverter.GetBytes(value) : BitConverter.GetBytes((float)value))];
        }

        // Nearest even among neighbours with 8 bits, in double precision; for normal numbers.
        static double Brain(double value)
        {
            if (value == 0)
                return value;
            double unit = Math.ScaleB(1, Math.ILogB(value) - 7);
            return Math.Round(value / unit, MidpointRounding.ToEven) * unit;
        }
    }

    [TestCase(TensorType.F32, WeightType.Float16, 70000.0, "65504")]
    [TestCase(TensorType.F64, WeightType.Float16, 65520.0, "65504")]
    [TestCase(TensorType.F64, WeightType.BFloat16, -3.4e38, "3.39e38")]
    public void A_value_outside_the_range_is_named(TensorType stored, WeightType type, double value, string largest)
    {
        ResamplerConfig config = BoundWeights.SingleConfig;
        double[] values = new double[72 * 24];
        values[(30 * 24) + 5] = value;
        byte[] bytes = [.. values.SelectMany(number => stored == TensorType.F64
            ? BitConverter.GetBytes(number) : BitConverter.GetBytes((float)number))];
        List<TensorToWrite> tensors = [.. BoundWeights.Tensors(config, new RandomModelOptions
        {
            StackInputProjections = true,
        }).Where(tensor => !tensor.Name.EndsWith("in_proj_weight", StringComparison.Ordinal)),
            TensorToWrite.FromBytes("scopes.0.attn.in_proj_weight", stored, [72, 24], bytes)];
        BoundWeights.Open(config, tensors, model =>
        {
            InvalidModelException error = Assert.Throws<InvalidModelException>(
                () => ModelWriter.Write(Folder.Path, model, type))!;
            Assert.That(error.Message, Does.Contain("'scopes.0.attn.in_proj_weight'").And.Contain(largest)
                .And.Contain("at [6, 5] of 'scopes.0.attn.k_proj.weight'").And.Contain($"found {value:R} at"));
            return 0;
        });
        Assert.That(Directory.GetFileSystemEntries(Folder.Path), Is.Empty);
    }

    [Test]
    public void A_transposed_projection_of_several_bands_is_copied()
    {
        // 2,100 rows of 24 MiB; a band of 16 MiB holds 1,398.
        ResamplerConfig config = Configs.Of(Configs.None) with
        {
            VisionHiddenSize = 4,
            HiddenSize = 3000,
            OutputSize = 2100,
            QueryGrid = new QueryGrid(1, 1),
        };
        using TestModel original = new(config, new RandomModelOptions { UsePublishedNames = true });
        ModelWriter.Write(Folder.Path, original.Model);
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        Assert.That(written.Weights.Projection.Weight.ToSingle().AsSpan().SequenceEqual(
            original.Model.Weights.Projection.Weight.ToSingle()), Is.True);
    }

    [Test]
    public void The_folder_of_the_model_is_refused()
    {
        using TestModel original = new(Configs.Mixed);
        string folder = Path.GetDirectoryName(original.Model.Checkpoint!.SourcePath)!;
        Assert.Throws<ArgumentException>(() => ModelWriter.Write(folder + "/.", original.Model));
    }

    [Test]
    public void A_cancelled_call_leaves_nothing()
    {
        using TestModel original = new(Configs.Mixed);
        Assert.Throws<OperationCanceledException>(() => ModelWriter.Write(Folder.Path, original.Model,
            cancellationToken: new CancellationToken(canceled: true)));
        Assert.That(Directory.GetFileSystemEntries(Folder.Path), Is.Empty);
    }

    private void AssertSame(TestModel original, TensorType type)
    {
        using ResamplerModel written = ResamplerModel.Open(Folder.Path);
        using Resampler resampler = Resampler.Load(written, new ResamplerOptions { ThreadCount = 1 });
        float[] features = original.RandomFeatures(s_grid, seed: 5);
        float[] expected = new float[written.Config.QueryGrid.QueryCount * written.Config.OutputSize];
        float[] found = new float[expected.Length];
        original.Engine.Resample(features, [s_grid], expected);
        resampler.Resample(features, [s_grid], found);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(written.Warnings, Is.Empty);
            Assert.That(written.TensorPrefix, Is.Empty);
            Assert.That(written.Checkpoint!.Tensors.Select(tensor => tensor.Type), Is.All.EqualTo(type));
            Assert.That(found.AsSpan().SequenceEqual(expected), Is.True, "tokens");
        }
    }
}

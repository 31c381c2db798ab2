using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Values that are not finite as float32 are rejected in every tensor of a model.</summary>
public class WeightValuesTests
{
    /// <summary>The smallest double that rounds to infinity, halfway between the largest float and 2^128.</summary>
    private const double RoundsToInfinity = 3.4028235677973366e38;

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Gaussian(1, 2), Configs.None) with
    {
        // The positions are stored, but neither keys nor queries use them.
        PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.None),
    };

    private static readonly RandomModelOptions s_options = new() { LearnedSigmaScopes = [0] };

    public static IEnumerable<TestCaseData> Unusable()
    {
        foreach ((TensorType type, double[] values) in new (TensorType, double[])[]
        {
            (TensorType.F32, [double.NaN, double.PositiveInfinity, double.NegativeInfinity]),
            (TensorType.F16, [double.NaN, double.PositiveInfinity, double.NegativeInfinity]),
            (TensorType.BF16, [double.NaN, double.PositiveInfinity, double.NegativeInfinity]),
            (TensorType.F64, [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 1e39, -1e39,
                RoundsToInfinity, -RoundsToInfinity, double.MaxValue]),
        })
        {
            foreach (double value in values)
                yield return new TestCaseData(type, value);
        }
    }

    public static IEnumerable<TestCaseData> Usable()
    {
        foreach ((TensorType type, double[] values) in new (TensorType, double[])[]
        {
            (TensorType.F32, [float.MaxValue, -float.MaxValue, float.Epsilon, -0.0, 1e-40]),
            (TensorType.F16, [65504, -65504, Math.ScaleB(1, -24)]),
            (TensorType.BF16, [Math.ScaleB(255, 120), -Math.ScaleB(255, 120), Math.ScaleB(1, -133)]),
            // Values that round to the largest float, to a subnormal float and to zero.
            (TensorType.F64, [float.MaxValue, Math.BitDecrement(RoundsToInfinity), -Math.BitDecrement(RoundsToInfinity),
                1e-40, 1e-300, double.Epsilon]),
        })
        {
            foreach (double value in values)
                yield return new TestCaseData(type, value);
        }
    }

    [TestCaseSource(nameof(Unusable))]
    public void A_value_beyond_float32_is_rejected(TensorType type, double value)
    {
        string found = double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "infinity"
            : double.IsNegativeInfinity(value) ? "-infinity" : $"{value:R}, which float32 cannot hold,";

        Assert.That(Problems(type, ("gate.fc1.weight", 50, value)), Is.EqualTo(new[]
        {
            $"tensor 'gate.fc1.weight': expected finite numbers within the range of float32, found {found} at [1, 2] " +
                "(element 50)",
        }));
    }

    [TestCaseSource(nameof(Usable))]
    public void A_value_that_rounds_to_a_finite_float32_is_accepted(TensorType type, double value)
        => Assert.That(() => Open(type, ("gate.fc1.weight", 50, value), ("ln_q.bias", 0, value)), Throws.Nothing);

    [Test]
    public void Every_tensor_is_checked()
    {
        // Includes tensors that no engine reads, such as the bias of the keys, which cancels in the softmax.
        foreach (RandomTensor tensor in RandomModel.CreateTensors(s_config, 1, s_options))
        {
            long last = tensor.ElementCount - 1;
            Assert.That(Problems(TensorType.F32, (tensor.Name, last, double.NaN)).Single(),
                Does.StartWith($"tensor '{tensor.Name}': ").And.EndsWith($"(element {last})"));
        }
    }

    [Test]
    public void Tensors_in_the_published_layout_are_checked()
    {
        ResamplerConfig config = Configs.Of(Configs.None);
        RandomModelOptions options = new()
        {
            Prefix = "resampler.",
            UsePublishedNames = true,
            StackInputProjections = true,
            HasProjectionBias = false,
        };
        foreach (RandomTensor tensor in RandomModel.CreateTensors(config, 1, options))
        {
            // The thirds of stacked projections: q, k and v.
            foreach (long element in new[] { 0, tensor.ElementCount / 2, tensor.ElementCount - 1 })
            {
                Assert.That(Problems(config, options, TensorType.F16, (tensor.Name, element, double.NaN)).Single(),
                    Does.StartWith($"tensor '{tensor.Name}': ").And.EndsWith($"(element {element})"));
            }
        }
    }

    [Test]
    public void All_bad_values_are_reported_with_the_other_problems()
    {
        string[] names = ["query", "proj.bias", "ln_kv.weight", "pos_embed", "scopes.1.attn.k_proj.bias",
            "scopes.0.log_sigma", "gate.fc2.bias"];
        using TemporaryFolder folder = Write(s_config with { OutputSize = 11 }, s_config, s_options, TensorType.F32,
            [.. names.Select(name => (name, 1L, double.NaN))]);

        InvalidModelException error = Assert.Throws<InvalidModelException>(() => ResamplerModel.Open(folder.Path))!;

        string[] misshapen = ["proj.weight", "proj.bias"];
        Assert.That(error.Problems.Select(problem => problem.Split('\'')[1]),
            Is.EquivalentTo(names.Concat(misshapen)));
        Assert.That(error.Message, Does.Contain("9 problems: (1) ").And.Contain("; (5) ").And.EndWith("; and 4 more")
            .And.Not.Contain("(6)"));
    }

    [Test]
    public void The_first_bad_value_is_named_and_the_others_are_counted()
    {
        Assert.That(Problems(TensorType.F64, ("kv_proj.weight", 30, 1e39), ("kv_proj.weight", 287, double.NaN),
            ("kv_proj.weight", 31, double.NegativeInfinity)), Is.EqualTo(new[]
        {
            "tensor 'kv_proj.weight': expected finite numbers within the range of float32, found 1E+39, which " +
                "float32 cannot hold, at [2, 6] (element 30) and 2 more of 288",
        }));
    }

    [TestCase(TensorType.F32)]
    [TestCase(TensorType.F16)]
    [TestCase(TensorType.BF16)]
    [TestCase(TensorType.F64)]
    public void Every_position_of_a_tensor_of_many_blocks_is_checked(TensorType type)
    {
        // Around the edges of blocks of 256 KiB, and at positions outside full vectors.
        ResamplerConfig config = Configs.Of(Configs.None) with { VisionHiddenSize = 21_847 };
        const long Count = 24 * 21_847;
        int blockElements = (1 << 18) * 8 / TensorTypes.BitsOf(type);
        foreach (long element in new[] { 0, 31, blockElements - 1, blockElements, Count - 33, Count - 1 })
        {
            Assert.That(Problems(config, new(), type, ("kv_proj.weight", element, double.NaN)).Single(),
                Does.EndWith($"at [{element / 21_847}, {element % 21_847}] (element {element})"));
        }

        Assert.That(Problems(config, new(), type, ("kv_proj.weight", Count - 1, double.NaN),
            ("kv_proj.weight", 7, double.NaN), ("kv_proj.weight", blockElements, double.NaN)).Single(),
            Does.EndWith($"at [0, 7] (element 7) and 2 more of {Count}"));
    }

    [Test]
    public void Foreign_tensors_are_not_checked()
    {
        RandomModelOptions options = new() { Prefix = "resampler." };
        using TemporaryFolder folder = Write(s_config, s_config, options, TensorType.F32, [],
            new TensorToWrite("llm.w", TensorType.F32, [1], new[] { float.NaN }));

        Assert.That(() => ResamplerModel.Open(folder.Path).Dispose(), Throws.Nothing);
    }

    [Test]
    public void Loading_can_be_cancelled()
    {
        using TemporaryFolder folder = Write(s_config, s_config, s_options, TensorType.F32, []);

        Assert.That(() => ResamplerModel.Open(folder.Path, cancellationToken: new(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_file_truncated_after_opening_is_one_clear_error()
    {
        using TemporaryFolder folder = Write(s_config, s_config, s_options, TensorType.F32, []);
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        using (FileStream stream = new(folder.File("model.safetensors"), FileMode.Open, FileAccess.Write,
            FileShare.ReadWrite))
            stream.SetLength(stream.Length - 20_000);

        Assert.That(() => Resampler.Load(model), Throws.TypeOf<SafetensorsException>()
            .With.Property(nameof(SafetensorsException.Error)).EqualTo(SafetensorsError.DataTooShort));
        Assert.That(() => MsResampler.Reference.ReferenceResampler.Load(model), Throws.TypeOf<SafetensorsException>());
    }

    private static void Open(TensorType type, params (string Tensor, long Element, double Value)[] edits)
    {
        using TemporaryFolder folder = Write(s_config, s_config, s_options, type, edits);
        using Resampler resampler = Resampler.Load(folder.Path, new ResamplerOptions { ThreadCount = 1 });
    }

    private static IReadOnlyList<string> Problems(TensorType type,
        params (string Tensor, long Element, double Value)[] edits) => Problems(s_config, s_options, type, edits);

    private static IReadOnlyList<string> Problems(ResamplerConfig config, RandomModelOptions options, TensorType type,
        params (string Tensor, long Element, double Value)[] edits)
    {
        using TemporaryFolder folder = Write(config, config, options, type, edits);
        return Assert.Throws<InvalidModelException>(() => Resampler.Load(folder.Path))!.Problems;
    }

    /// <summary>Writes a model in which some elements are replaced byte by byte; writing them as values would round
    /// them.</summary>
    private static TemporaryFolder Write(ResamplerConfig config, ResamplerConfig weightsConfig,
        RandomModelOptions options, TensorType type, (string Tensor, long Element, double Value)[] edits,
            params TensorToWrite[] more)
    {
        TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(config));
        string path = folder.File("model.safetensors");
        SafetensorsWriter.Write(path, [.. RandomModel.CreateTensors(weightsConfig, 1, options)
            .Select(tensor => tensor.ToWrite(type)), .. more]);
        using FileStream stream = new(path, FileMode.Open, FileAccess.ReadWrite);
        byte[] start = new byte[Math.Min(stream.Length, 1 << 16)];
        stream.ReadExactly(start);
        SafetensorsHeader header = SafetensorsHeader.Parse(start, stream.Length, path);
        foreach ((string name, long element, double value) in edits)
        {
            TensorInfo tensor = header.Tensors.Single(candidate => candidate.Name == name);
            byte[] bytes = type switch
            {
                TensorType.F32 => BitConverter.GetBytes((float)value),
                TensorType.F16 => BitConverter.GetBytes((Half)value),
                TensorType.BF16 => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits((float)value) >> 16)),
                _ => BitConverter.GetBytes(value),
            };
            stream.Seek(header.DataStart + tensor.FirstByte + (element * bytes.Length), SeekOrigin.Begin);
            stream.Write(bytes);
        }

        return folder;
    }
}

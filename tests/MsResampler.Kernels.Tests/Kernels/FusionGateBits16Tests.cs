using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Tests.Ptx;
using MsResampler.Kernels.Tiles;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The fusion gate of 16-bit branches, compared with loops in double precision over the rounded
/// branches.</summary>
public sealed class FusionGateBits16Tests
{
    private const float Epsilon = 1e-6f;

    /// <summary>The unit roundoff of float32, 2⁻²⁴.</summary>
    private const double Roundoff = 1.0 / (1 << 24);

    private static readonly GateSize[] s_sizes =
    [
        new(1, 1, 2, 1, 1), new(3, 7, 3, 5, 3), new(2, 128, 2, 33, 4), new(3, 131, 5, 1, 257), new(2, 64, 3, 8, 17),
        new(2, 256, 3, 16, 64), new(1, 4 * FusionGateBits16<MmaFloat16>.MaxHiddenVectors, 2, 4, 2048),
        new(1, 4, 8, FusionGateBits16<MmaFloat16>.MaxGateCount / 8, 64), new(2, 9, 5, 3, 800),
    ];

    private static IEnumerable<TestCaseData> Cases() =>
        from half in Bits16Type.All
        from size in s_sizes
        select new TestCaseData(half, size).SetArgDisplayNames(half.ToString(), size.ToString());

    [Test]
    public void The_sizes_include_the_largest_supported_one() => Assert.That(s_sizes.Max(size => size.Width),
        Is.EqualTo(FusionGateBits16<MmaFloat16>.MaxWidth));

    [TestCaseSource(nameof(Cases))]
    public void Gates_and_tokens_agree_with_loops(object type, object size)
    {
        var extents = (GateSize)size;
        Check((Bits16Type)type, extents, GateInput.Of((Bits16Type)type, extents));
    }

    [TestCase(0, 1e-5f)]
    [TestCase(0, 1e4f)]
    [TestCase(1, 1e-38f)]
    [TestCase(1, 1e-19f)]
    [TestCase(1, 1e19f)]
    [TestCase(1, 3e37f)]
    public void Branches_of_any_scale_are_normalised(int type, float scale)
    {
        Bits16Type half = Bits16Type.All[type];
        GateSize size = new(3, 131, 3, 8, 67);
        GateInput input = GateInput.Of(half, size);
        Check(half, size, input with { Branches = [.. input.Branches.Select(value => half.Round(value * scale))] });
    }

    [Test]
    public void Branches_with_equal_channels_normalise_to_the_bias([Values(0, 1)] int type,
        [Values(1.1f, -1000.1f, 30000f)] float value)
    {
        Bits16Type half = Bits16Type.All[type];
        GateSize size = new(2, 64, 3, 1, 333);
        GateInput input = GateInput.Of(half, size);
        GateOutput output = Run(half, input with
        {
            Branches = [.. input.Branches.Select((_, index) =>
                half.Round(value * (1 + (index / size.Width % 3 / 4f))))],
        });
        Assert.That(output.Fused, Is.EqualTo(input.NormBias.Concat(input.NormBias).Select(half.Round)));
    }

    private static void Check(Bits16Type half, GateSize extents, GateInput input)
    {
        GateOutput output = Run(half, input);

        double worstGate = 0;
        double worst = 0;
        for (int token = 0; token < extents.Tokens; token++)
        {
            (double[] gates, double[] gateErrors) = Gates(input, token);
            for (int gate = 0; gate < gates.Length; gate++)
            {
                worstGate = Math.Max(worstGate,
                    Math.Abs(output.Gates[(token * gates.Length) + gate] - gates[gate]) / gateErrors[gate]);
            }

            double[] sums = new double[extents.Width];
            double[] errors = new double[extents.Width];
            for (int channel = 0; channel < extents.Width; channel++)
            {
                for (int scope = 0; scope < extents.Scopes; scope++)
                {
                    int gate = (scope * extents.Groups) + (channel / extents.GroupWidth);
                    double value = input.Branches[(((token * extents.Scopes) + scope) * extents.Width) + channel];
                    sums[channel] += gates[gate] * value;
                    errors[channel] += (gateErrors[gate] + (extents.Scopes * Roundoff * (gates[gate]
                        + gateErrors[gate]))) * Math.Abs(value);
                }
            }

            // A thread adds its two quads, then the four elements, 32 lanes and 32 warps are added.
            NormBound bound = NormBound.Of(sums, errors, input.NormWeight, input.NormBias, Epsilon,
                additionCount: 2 + 2 + 5 + 5);
            for (int channel = 0; channel < extents.Width; channel++)
            {
                worst = Math.Max(worst,
                    Math.Abs(output.Fused[(token * extents.Width) + channel] - bound.Values[channel])
                    / half.Tolerance(bound.Values[channel], bound.Errors[channel]));
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(worstGate, Is.InRange(0d, 1d), "the largest gate error relative to the allowed error");
            Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
        }
    }

    [Test]
    public void A_token_has_the_same_bits_in_any_batch_and_warp_order([Values(0, 1)] int type)
    {
        Bits16Type half = Bits16Type.All[type];
        GateInput input = GateInput.Of(half, new GateSize(5, 131, 3, 8, 67));
        GateOutput expected = Run(half, input);

        using (Assert.EnterMultipleScope())
        {
            for (ulong seed = 2; seed < 5; seed++)
            {
                GateOutput again = Run(half, input, seed);
                Assert.That(again.Fused, Is.EqualTo(expected.Fused));
                Assert.That(again.Gates, Is.EqualTo(expected.Gates));
            }

            GateOutput last = Run(half, input.From(3));
            Assert.That(last.Fused, Is.EqualTo(expected.Fused[(3 * input.Size.Width)..]));
            Assert.That(last.Gates, Is.EqualTo(expected.Gates[(3 * input.Size.GateCount)..]));
        }
    }

    /// <summary>An infinite logit would give finite gates: 0 for its scope, or for all other scopes.</summary>
    [Test]
    public void Any_overflow_becomes_NaN([Values(0, 1)] int type, [Values(-1, 1)] int sign,
        [Values("hidden", "logit", "branch")] string place)
    {
        Bits16Type half = Bits16Type.All[type];
        GateInput input = GateInput.Of(half, new GateSize(2, 8, 2, 1, 133));
        switch (place)
        {
            case "hidden":
                input.Partials[3] = 3e38f;
                input.HiddenBias[3] = 3e38f;
                input.Weight[3] = sign;
                break;
            case "logit":
                input.Weight[3] = sign * 3e38f;
                input.HiddenBias[3] = 1e3f;
                break;
            default:
                input.Branches[3] = sign * float.PositiveInfinity;
                break;
        }

        float[] fused = Run(half, input).Fused;
        Assert.That(fused[..133], Has.All.NaN, "the first token");
        if (place != "logit")
            Assert.That(fused[133..], Has.None.NaN, "the other");
    }

    [Test]
    public void Branches_are_read_once_and_shared_memory_has_no_conflicts()
    {
        var size = new GateSize(4, 256, 3, 16, 64);

        LaunchReport report = Run(Bits16Type.Float16, GateInput.Of(Bits16Type.Float16, size), surplusStride: 0).Report;

        long branches = (long)size.Tokens * size.Scopes * size.Width / 16;
        // Per token: products and bias of the hidden layer, fc2, one sector for the bias of each logit, and ln_post.
        long others = size.Tokens * (((size.Scopes + 1 + size.GateCount) * size.Hidden / 8) + size.GateCount
            + (2 * size.Width / 8));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(branches + others));
            Assert.That(report.GlobalStoreSectors,
                Is.EqualTo(size.Tokens * ((size.Width / 16) + (size.GateCount / 8))));
        }
    }

    [Test]
    public void The_assembled_kernel_uses_no_local_memory([Values(0, 1)] int type)
        => Bits16Type.AssembleWithoutLocalMemory(Kernel(Bits16Type.All[type]));

    private static KernelVariant Kernel(Bits16Type half)
        => half.KernelFor(typeof(FusionGateBits16<>), FusionGateBits16<MmaFloat16>.MaxBlockSize);

    private static GateOutput Run(Bits16Type half, GateInput input, ulong seed = 1, int surplusStride = 1)
    {
        GateSize size = input.Size;
        int stride = ((size.Width + 7) / 8) + surplusStride;
        float[] gates = new float[size.Tokens * size.GateCount];
        Array.Fill(gates, float.NaN);
        ushort[] fused = Bits16Type.Empty(size.Tokens, stride);
        LaunchReport report = KernelRun.Run(Kernel(half).Compile(EmulatorHost.Compiler, 80), size.Tokens,
            FusionGateBits16<MmaFloat16>.BlockSizeFor(size.Width), seed, input.Partials, input.HiddenBias, input.Weight,
            input.Bias, half.Rows(input.Branches, size.Width, stride), Bits16Type.Parameter(input.NormWeight),
            Bits16Type.Parameter(input.NormBias), gates, fused, new FusionGateShape
            {
                TokenCount = size.Tokens,
                HiddenVectors = size.HiddenVectors,
                ScopeCount = size.Scopes,
                GateGroupCount = size.Groups,
                Width = size.Width,
                Stride = stride,
                RootEpsilon = MathF.Sqrt(Epsilon),
            });
        return new GateOutput(gates, half.Read(fused, size.Width, stride), report);
    }

    /// <summary>The gates of a token, and the allowed float32 error of each.</summary>
    private static (double[] Gates, double[] Errors) Gates(GateInput input, int token)
    {
        GateSize size = input.Size;
        int hiddenCount = 4 * size.HiddenVectors;
        double[] hidden = new double[hiddenCount];
        double[] hiddenErrors = new double[hiddenCount];
        for (int k = 0; k < hiddenCount; k++)
        {
            double sum = input.HiddenBias[k];
            double magnitude = Math.Abs(sum);
            for (int scope = 0; scope < size.Scopes; scope++)
            {
                double term = input.Partials[(((scope * size.Tokens) + token) * hiddenCount) + k];
                sum += term;
                magnitude += Math.Abs(term);
            }

            hidden[k] = 0.5 * sum * MathNet.Numerics.SpecialFunctions.Erfc(-sum / Math.Sqrt(2));
            // The slope of GELU is at most 1.13, and 2⁻²⁰ of its argument is allowed for its own error.
            hiddenErrors[k] = (1.13 * size.Scopes * Roundoff * magnitude) + (Math.ScaleB(1, -20) * Math.Abs(sum));
        }

        double[] logits = new double[size.GateCount];
        double[] logitErrors = new double[size.GateCount];
        // A lane adds every 32nd quad, then 32 lanes and the bias are added.
        int additions = (4 * ((size.HiddenVectors + 31) / 32)) + 5 + 1;
        for (int logit = 0; logit < size.GateCount; logit++)
        {
            double sum = input.Bias[logit];
            double magnitude = Math.Abs(sum);
            for (int k = 0; k < hiddenCount; k++)
            {
                double weight = input.Weight[(logit * hiddenCount) + k];
                sum += hidden[k] * weight;
                magnitude += (Math.Abs(hidden[k]) + hiddenErrors[k]) * Math.Abs(weight);
                logitErrors[logit] += hiddenErrors[k] * Math.Abs(weight);
            }

            logits[logit] = sum;
            logitErrors[logit] += additions * Roundoff * magnitude;
        }

        double[] gates = new double[size.GateCount];
        double[] errors = new double[size.GateCount];
        for (int gate = 0; gate < size.GateCount; gate++)
        {
            int[] scopes = [.. Enumerable.Range(0, size.Scopes).Select(scope
                => (scope * size.Groups) + (gate % size.Groups))];
            double best = scopes.Max(scope => logits[scope]);
            gates[gate] = Math.Exp(logits[gate] - best) / scopes.Sum(scope => Math.Exp(logits[scope] - best));
            // Errors of the logits enter through the exponential of this scope and through the sum, and so do those
            // of the difference and of its product with log₂ e. The exponentials, the additions and the division
            // round too.
            double spread = scopes.Max(scope => Math.Abs(logits[scope] - best));
            double relative = (2 * scopes.Max(scope => logitErrors[scope])) + (2 * ((3 * Roundoff * spread)
                + Math.ScaleB(1, -22))) + ((size.Scopes + 1) * Roundoff);
            errors[gate] = (gates[gate] * Math.Exp(relative)) - gates[gate] + Math.ScaleB(1, -126);
        }

        return (gates, errors);
    }

    private sealed record GateSize(int Tokens, int Hidden, int Scopes, int Groups, int GroupWidth)
    {
        public int HiddenVectors => (Hidden + 3) / 4;

        public int Width => Groups * GroupWidth;

        public int GateCount => Scopes * Groups;

        public override string ToString()
            => $"{Tokens} tokens, {Hidden} hidden, {Scopes} scopes, {Groups} groups of {GroupWidth}";
    }

    private sealed record GateInput(GateSize Size, float[] Partials, float[] HiddenBias, float[] Weight, float[] Bias,
        float[] Branches, float[] NormWeight, float[] NormBias)
    {
        public static GateInput Of(Bits16Type half, GateSize size) => new(size,
            Values.Rows(size.Scopes * size.Tokens, size.Hidden, 1),
            Values.Rows(1, size.Hidden, 2),
            // Scaled so that logits differ by a few units for any G.
            [.. Values.Rows(size.GateCount, size.Hidden, 3).Select(value => value / MathF.Sqrt(size.Hidden))],
            Values.Normal(size.GateCount, 4),
            [.. Values.Normal(size.Tokens * size.Scopes * size.Width, 5).Select(value => half.Round(value + 1))],
            Values.Normal(size.Width, 6), Values.Normal(size.Width, 7));

        /// <summary>The tokens from an index on.</summary>
        public GateInput From(int token) => this with
        {
            Size = Size with { Tokens = Size.Tokens - token },
            Partials = [.. Partials.Where((_, index)
                => index / (4 * Size.HiddenVectors) % Size.Tokens >= token)],
            Branches = Branches[(token * Size.Scopes * Size.Width)..],
        };
    }

    private sealed record GateOutput(float[] Gates, float[] Fused, LaunchReport Report);
}

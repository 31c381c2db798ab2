using ILGPU;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Tests.Ptx;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The online softmax against double precision, on the host and in a kernel. Each part of a case is folded key
/// by key, and the parts are merged. Logits are multiples of ½, so that their differences are exact.</summary>
public sealed class OnlineSoftmaxTests
{
    private const int PartCount = 4;
    private const int PartKeys = 4;
    private const float Masked = float.NegativeInfinity;

    private static readonly (string Name, float[][] Parts)[] s_table =
    [
        ("no keys", [[]]),
        ("one key", [[3.5f]]),
        ("one masked key", [[Masked]]),
        ("all keys masked", [[Masked, Masked], [Masked], [], [Masked]]),
        ("a masked key first", [[Masked, 2, 5]]),
        ("a masked key last", [[2, 5, Masked]]),
        ("masked keys between", [[-1.5f, Masked, 4, Masked], [Masked, -7]]),
        ("equal keys", [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]),
        ("ascending keys", [[-8, -4, -2, 0], [1, 2, 4, 8]]),
        ("descending keys", [[8, 4, 2, 1], [0, -2, -4, -8]]),
        ("the largest key in each part", [[9, 0], [0, 9], [-3, 9], [9, -3]]),
        ("an empty part first", [[], [1, 2], [3]]),
        ("an empty part last", [[1, 2], [3], []]),
        ("a masked part between", [[1, 2], [Masked, Masked], [3]]),
        ("weights that vanish", [[0, -200], [-149, -151]]),
        ("large logits", [[1 << 20, (1 << 20) - 1], [-(1 << 20), (1 << 20) - 2]]),
        ("the largest logits that keys allow", [[1.3e36f, -1.3e36f], [0]]),
        ("the lowest finite logit alone", [[float.MinValue]]),
        ("the lowest finite logit after a masked one", [[Masked, float.MinValue], [Masked]]),
        ("the lowest and the highest logit", [[float.MinValue, float.MaxValue], [0]]),
    ];

    private static IEnumerable<TestCaseData> Table()
        => s_table.Select(entry => new TestCaseData((object)entry.Parts).SetArgDisplayNames(entry.Name));

    [TestCaseSource(nameof(Table))]
    public void Parts_merged_in_any_order_agree_with_double_precision(object parts)
    {
        foreach (float[][] order in Permutations((float[][])parts))
        {
            OnlineSoftmax[] states = [.. order.Select(Fold)];
            OnlineSoftmax merged = OnlineSoftmax.Merge(states, states.Length);

            Check(order, merged, merged.LogSum, merged.Normaliser, [.. states.Select(merged.ShareOf)]);
        }
    }

    [TestCaseSource(nameof(Table))]
    public void A_kernel_agrees_with_double_precision(object parts)
    {
        float[][] padded = [.. (float[][])parts, .. Enumerable.Repeat(Array.Empty<float>(), PartCount)];
        padded = padded[..PartCount];
        float[] logits = [.. padded.SelectMany(part => part.Concat(Enumerable.Repeat(0f, PartKeys - part.Length)))];
        int[] counts = [.. padded.Select(part => part.Length)];
        float[] result = new float[4];
        float[] shares = new float[PartCount];

        KernelRun.Run(EmulatorHost.Compiler, typeof(OnlineSoftmaxTests).GetMethod(nameof(Run))!, 1, PartCount, logits,
            counts, result, shares);

        Check(padded, new OnlineSoftmax(result[0], result[1]), result[2], result[3], shares);
    }

    [Test]
    public void A_masked_key_has_no_weight_even_before_any_key_is_seen()
        => Assert.That(OnlineSoftmax.WeightOf(Masked, OnlineSoftmax.Empty.Max), Is.Zero);

    [Test]
    public void Rescaling_to_the_same_maximum_changes_nothing()
    {
        OnlineSoftmax state = Fold([3, Masked, 1]);

        Assert.That(state.Rescaled(state.Max, state.ScaleTo(state.Max), weight: 0), Is.EqualTo(state));
    }

    /// <summary>The kernel: each thread folds one part, and the first one merges them.</summary>
    public static void Run(ArrayView<float> logits, ArrayView<int> counts, ArrayView<float> result,
        ArrayView<float> shares)
    {
        ArrayView<OnlineSoftmax> shared = SharedMemory.Allocate<OnlineSoftmax>(PartCount);
        OnlineSoftmax state = OnlineSoftmax.Empty;
        for (int key = 0; key < counts[Group.IdxX]; key++)
            state = Include(state, logits[(PartKeys * Group.IdxX) + key]);
        shared[Group.IdxX] = state;
        Group.Barrier();
        var parts = new OnlineSoftmax[PartCount];
        for (int part = 0; part < PartCount; part++)
            parts[part] = shared[part];
        OnlineSoftmax merged = OnlineSoftmax.Merge(parts, PartCount);
        shares[Group.IdxX] = merged.ShareOf(state);
        if (Group.IdxX == 0)
        {
            result[0] = merged.Max;
            result[1] = merged.Total;
            result[2] = merged.LogSum;
            result[3] = merged.Normaliser;
        }
    }

    private static OnlineSoftmax Include(OnlineSoftmax state, float logit)
    {
        float max = IntrinsicMath.Max(state.Max, logit);
        return state.Rescaled(max, state.ScaleTo(max), OnlineSoftmax.WeightOf(logit, max));
    }

    private static OnlineSoftmax Fold(float[] logits) => logits.Aggregate(OnlineSoftmax.Empty, Include);

    private static void Check(float[][] parts, OnlineSoftmax merged, float logSum, float normaliser, float[] shares)
    {
        double[] logits = [.. parts.SelectMany(part => part).Select(logit => (double)logit)];
        double max = logits.Where(double.IsFinite).DefaultIfEmpty(float.MinValue).Max();
        double total = Total(logits);
        // Each of the at most 16 keys is rescaled at most once for each later key and once in the merge, and every
        // exponential, product and sum is off by 2⁻²² at most.
        double tolerance = 3 * (logits.Length + PartCount) * Math.ScaleB(1, -22);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(merged.Max, Is.EqualTo(max), "maximum");
            Assert.That(merged.Total, Is.EqualTo(total).Within(tolerance * total), "total");
            if (total == 0)
            {
                Assert.That(logSum, Is.EqualTo(double.NegativeInfinity), "log-sum of no key");
                return;
            }

            Assert.That(logSum, Is.EqualTo(max + Math.Log2(total)).Within((4 * tolerance)
                + (Math.ScaleB(1, -23) * Math.Abs(max))), "log-sum");
            Assert.That(normaliser, Is.EqualTo(1 / total).Within(tolerance / total), "normaliser");
            for (int part = 0; part < parts.Length; part++)
            {
                double[] own = [.. parts[part].Select(logit => (double)logit)];
                double ownMax = own.Where(double.IsFinite).DefaultIfEmpty(float.MinValue).Max();
                Assert.That(shares[part], Is.EqualTo(Math.Pow(2, ownMax - max) / total).Within(tolerance),
                    $"share of part {part}");
            }
        }

        // Weights below 2⁻¹²⁶ count as 0, as the instruction flushes them.
        double Total(double[] values) => values.Select(logit => Math.Pow(2, logit - max)).Where(weight
            => weight >= Math.ScaleB(1, -126)).Sum();
    }

    private static IEnumerable<float[][]> Permutations(float[][] parts)
    {
        if (parts.Length <= 1)
        {
            yield return parts;
            yield break;
        }

        for (int first = 0; first < parts.Length; first++)
        {
            foreach (float[][] rest in Permutations([.. parts.Where((_, index) => index != first)]))
                yield return [parts[first], .. rest];
        }
    }
}

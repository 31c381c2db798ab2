using MsResampler.Kernels.Gemm;
using MsResampler.Planning;

namespace MsResampler.Perf.Roofline;

/// <summary>What a forward pass would gain from faster products in attention, as shares of its time. The time is the
/// one without the bound of the second-level cache, so that the shares are as large as they can be.</summary>
/// <param name="Estimate">Attention as it is.</param>
/// <param name="Seconds">The time of the forward pass.</param>
/// <param name="Share">The share of attention.</param>
/// <param name="Wgmma">The share that is saved if its products run at the rate of wgmma.</param>
/// <param name="Free">The share that is saved if its products take no time.</param>
internal readonly record struct AttentionGain(RooflineEstimate Estimate, double Seconds, double Share,
    double Wgmma, double Free)
{
    /// <summary>The gain of a case on a device.</summary>
    public static AttentionGain Of(RooflineCase item, RooflineDevice device)
    {
        RooflineEstimate attention = item.On(device).Zip(item.Names).Single(pair => pair.Second == StageNames.Attention)
            .First;
        double total = item.On(device).Sum(estimate => estimate.SecondsWithoutCache);
        double rate = device.ProductFlops(GemmFamily.Mma) / device.ProductFlops(GemmFamily.Wgmma);
        return new AttentionGain(attention, total, attention.Seconds / total, SavedAt(rate * attention.Operations),
            SavedAt(0));

        double SavedAt(double operations) => (attention.Seconds - device.LaunchSeconds
            - Math.Max(operations, attention.Memory)) / total;
    }
}

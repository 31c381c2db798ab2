using MsResampler.Planning;

namespace MsResampler.Cpu.Integer;

/// <summary>The costs of an engine with integer products. They are the same on every instruction set, so that plans,
/// and with them the order of all sums, are too: the lanes are those of 512-bit vectors, and the costs of products
/// those that were measured with 512-bit VNNI, conversion to floats included.</summary>
internal static class IntegerCosts
{
    private const double Int8Cost = 0.32;
    private const double Int16Cost = 0.6;

    /// <summary>The costs if given layers have 8 bits.</summary>
    public static CostModel For(ModelLayers int8Layers) => new([16, 32, 64], [0.8, 0.95, 1])
    {
        KeyCost = int8Layers.HasFlag(ModelLayers.Keys) ? Int8Cost : Int16Cost,
        ValueCost = int8Layers.HasFlag(ModelLayers.Values) ? Int8Cost : Int16Cost,
    };
}

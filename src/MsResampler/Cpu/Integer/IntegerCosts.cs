using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu.Integer;

/// <summary>The costs of an engine with integer products. They are the same on every instruction set, so that plans,
/// and with them the order of all sums, are too: the lanes are those of 512-bit vectors, and the costs of products
/// those that were measured with 512-bit VNNI, conversion to floats included.</summary>
internal static class IntegerCosts
{
    private const double Int8Cost = 0.34;
    private const double Int16Cost = 0.62;

    /// <summary>The costs if given layers have 8 bits.</summary>
    /// <remarks>Attention with projected keys was measured with heads of 64 channels. A key costs a tile of 16, 32 or
    /// 64 queries 15, 16 or 27 ns with 8 bits, and 23, 28 or 48 ns with 16. A tile of 64 queries costs 3 µs in
    /// addition.</remarks>
    public static CostModel For(ModelLayers int8Layers)
    {
        bool isInt8 = IntegerTypes.OfAttention(int8Layers) == IntegerType.Int8;
        return new CostModel([16, 32, 64], [0.8, 0.95, 1])
        {
            KeyCost = int8Layers.HasFlag(ModelLayers.Keys) ? Int8Cost : Int16Cost,
            ValueCost = int8Layers.HasFlag(ModelLayers.Values) ? Int8Cost : Int16Cost,
            TiledProductCost = isInt8 ? 0.25 : 0.45,
            TiledLogitCost = isInt8 ? 20 : 30,
            TiledReadCost = isInt8 ? 12 : 20,
            TiledQueryCost = 200,
        };
    }
}

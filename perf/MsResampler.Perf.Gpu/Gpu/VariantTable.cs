using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Gpu;

/// <summary>The part of the report that compares the engine's choice with other ways to compute a forward
/// pass.</summary>
internal static class VariantTable
{
    /// <summary>Appends the table, if a row has a variant.</summary>
    public static void Append(StringBuilder text, IReadOnlyList<GpuRow> rows)
    {
        if (rows.All(row => row.Variant is null || row.Figures is null))
            return;
        text.Append("""

            ## Variants

            Forward passes that are computed in another way than the engine chooses: with another tile for every product
            by warpgroups (wgmma), with mma.sync in place of wgmma and one of its two large tiles, or with graphs whose
            kernels begin when those before them have ended (ordinary-launches). The product is the largest one of the
            pass, in one launch. Change: of the forward pass, against the engine's choice.

            | model | batch | precision | variant | warm, ms | change | product | kernel | µs | TFLOP/s | of products |
            |---|--:|---|---|--:|--:|---|---|--:|--:|--:|

            """);
        foreach (IGrouping<(string, int, string), GpuRow> group in rows.Where(row => row.Figures is not null)
            .GroupBy(row => (row.Model, row.Batch, row.Precision)))
        {
            if (group.All(row => row.Variant is null))
                continue;
            double? chosen = group.FirstOrDefault(row => row.Variant is null)?.Figures!.Warm.Median;
            foreach (GpuRow row in group.OrderBy(row => row.Variant is not null))
                AppendRow(text, row, row.Figures!, chosen);
        }
    }

    private static void AppendRow(StringBuilder text, GpuRow row, ModelFigures figures, double? chosen)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        string change = row.Variant is not null && chosen is { } baseline
            ? string.Create(culture, $"{(figures.Warm.Median / baseline) - 1:+0.0%;-0.0%;0.0%}") : "";
        text.Append(culture, $"| {row.Model} | {row.Batch} | {row.Precision} ");
        text.Append(culture, $"| {row.Variant ?? "the engine's choice"} ");
        text.Append(culture, $"| {figures.Warm.Median:0.000} | {change} ");
        if (figures.LargestProduct is not { } product)
        {
            text.Append("| | | | | |\n");
            return;
        }

        text.Append(culture, $"| {product.Step} {product.Product} | {product.Kernel} ");
        text.Append(culture, $"| {product.Milliseconds * 1e3:0.0} | {product.Tflops:0.0} ");
        text.Append(culture, $"| {product.ProductShare:0%} |\n");
    }
}

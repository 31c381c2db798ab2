using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The tiles of products on the host: which family a device has, kernels and launches.</summary>
public sealed class GemmShapeTests
{
    private static readonly DeviceProperties s_hopper = new("H200", 90, 132, 1L << 37, 227 << 10, IsHopper: true);

    /// <summary>A choice by the batch could change the bits of an element.</summary>
    [Test]
    public void The_family_depends_on_the_device_and_the_precision_alone()
    {
        ProductExtent[] products = [new(1, 1, 4, 8), new(3, 144, 256, 1024), new(1, 65536, 6144, 1024)];
        using (Assert.EnterMultipleScope())
        {
            foreach (ProductExtent product in products)
            {
                Assert.That(FamilyOf(product, 2, s_hopper), Is.EqualTo(GemmFamily.Wgmma), $"{product}");
                Assert.That(FamilyOf(product, 4, s_hopper), Is.EqualTo(GemmFamily.Mma), $"{product} in tf32");
                foreach (int architecture in new[] { 80, 89, 90, 100, 120 })
                {
                    DeviceProperties other = new("other", architecture, 132, 1 << 30, 48 << 10);
                    Assert.That(FamilyOf(product, 2, other), Is.EqualTo(GemmFamily.Mma), $"{product} on {other}");
                }
            }
        }

        static GemmFamily FamilyOf(ProductExtent product, int elementBytes, DeviceProperties device)
            => GemmShape.For(product, elementBytes, device).Family;
    }

    [Test]
    public void A_kernel_and_its_launch_have_the_same_shared_memory()
    {
        GemmShape shape = GemmShape.Wgmma.First(shape => shape.Tile == typeof(GemmWgmmaTile128x128));
        KernelVariant plain = shape.KernelFor<MmaFloat16, LinearEpilogue, GemmMmaFloat16>();
        KernelVariant scaled = shape.KernelFor<MmaBFloat16, ScaledEpilogue, GemmMmaBFloat16>();
        ProductExtent product = new(1, 128, 128, 64);

        // Six slices of 256 rows of 128 bytes, and a float for each row of a scaled tile.
        Assert.That((plain.SharedBytes, scaled.SharedBytes), Is.EqualTo((196608, 196608 + 512)));
        Assert.That(shape.LaunchFor(scaled, product, s_hopper), Is.EqualTo(new LaunchSize(1, 1, 256, 196608 + 512)));
        Assert.That(shape.LaunchFor(plain, product, s_hopper).DynamicSharedBytes, Is.EqualTo(196608));
    }

    [Test]
    public void Blocks_of_wgmma_are_at_most_as_many_as_run_at_once_and_cover_all_products()
    {
        GemmShape shape = GemmShape.Wgmma.First(shape => shape.Tile == typeof(GemmWgmmaTile64x128));
        KernelVariant kernel = shape.KernelFor<MmaFloat16, LinearEpilogue, GemmMmaFloat16>();

        Assert.That(shape.LaunchFor(kernel, new ProductExtent(3, 65, 129, 64), s_hopper),
            Is.EqualTo(new LaunchSize(12, 1, 128, kernel.SharedBytes)));
        Assert.That(shape.LaunchFor(kernel, new ProductExtent(1, 1 << 20, 1 << 20, 64), s_hopper),
            Is.EqualTo(new LaunchSize(132 * 2, 1, 128, kernel.SharedBytes)));
    }

    [Test]
    public void Blocks_that_share_a_multiprocessor_fit_into_its_shared_memory_and_registers()
    {
        const int BytesOfMultiprocessor = 228 << 10;
        const int ReservedBytes = 1 << 10;
        using (Assert.EnterMultipleScope())
        {
            foreach (GemmShape shape in GemmShape.Wgmma)
            {
                Assert.That(shape.BlockCount * (shape.ScaledSharedBytes + ReservedBytes),
                    Is.LessThanOrEqualTo(BytesOfMultiprocessor), shape.Tile.Name);
                Assert.That(shape.ScaledSharedBytes, Is.LessThanOrEqualTo(s_hopper.MaxSharedBytes), shape.Tile.Name);
            }
        }
    }

    [Test]
    public void Products_of_wgmma_store_C_by_rows()
    {
        Product product = new()
        {
            A = default,
            AStride = 64,
            Layer = default,
            C = default,
            CRowStride = 64,
            RowCount = 64,
            ColumnCount = 64,
            InnerSize = 64,
            ElementBytes = 2,
        };

        Assert.That(() => CommonKernels.MultiplyTensors(Bits16Kernels.Float16.Gemm, product, s_hopper), Throws.Nothing);
        Assert.That(() => CommonKernels.MultiplyTensors(Bits16Kernels.Float16.Gemm,
            product with { CColumnStride = 256 }, s_hopper), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("expected CColumnStride 4, found 256"));
    }
}

"""mmdet config of a small Mask2Former: every component of the real Swin-S one, with narrow and few layers."""
# ruff: noqa: C408  (configs are written with dict(...), as all of mmdet's are)

_base_ = ["mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"]

width = 64
backbone_width = 16
attention = dict(embed_dims=width, num_heads=4)
position = dict(num_feats=width // 2)

model = dict(
    backbone=dict(embed_dims=backbone_width, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], init_cfg=None),
    panoptic_head=dict(
        in_channels=[backbone_width * 2**level for level in range(4)],
        feat_channels=width,
        out_channels=width,
        num_queries=40,
        positional_encoding=position,
        pixel_decoder=dict(
            positional_encoding=position,
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=width, feedforward_channels=2 * width)),
            ),
        ),
        transformer_decoder=dict(
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=dict(embed_dims=width, feedforward_channels=2 * width),
            ),
        ),
    ),
    test_cfg=dict(max_per_image=40),
)

test_pipeline = [
    dict(type="LoadImageFromFile", to_float32=True),
    dict(type="Resize", scale=(160, 96), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
